"""A running example site, a browser, and a signed-in tab."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.page import ChatPage, chromium
from tests.browser.server import example_site
from tests.browser.wire import Wire, wire


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with example_site(tmp_path_factory.mktemp("site")) as address:
        yield address


@pytest.fixture(scope="module")
def cable(site: str) -> Iterator[Wire]:
    """What lies between the browser and the site."""
    with wire(urlsplit(site).port or 80) as laid:
        yield laid


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def signed_in(browser: Any, cable: Wire) -> Any:
    """The cookies of somebody who has signed in on the page."""
    context = browser.new_context()
    chat = ChatPage(context.new_page(), cable.address)
    chat.sign_in()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def chat(browser: Any, cable: Wire, signed_in: Any) -> Iterator[ChatPage]:
    """A signed-in tab; an exception in the page's script fails the test."""
    context = browser.new_context(storage_state=signed_in)
    context.set_default_timeout(20_000)
    chat = ChatPage(context.new_page(), cable.address)
    errors: list[str] = []
    chat.page.on("pageerror", lambda error: errors.append(str(error)))
    chat.page.goto(chat.address)
    yield chat
    context.close()
    assert errors == []
