"""The example's pages for Vue, htmx and AI SDK in a real browser: ask, read, reload, stop, under a strict policy."""

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.browser

POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'"


@pytest.fixture
def tab(browser: Any, site: str, signed_in: Any) -> Iterator[Any]:
    """A signed-in tab in which whatever a strict policy forbids, and every exception, fails the test."""
    context = browser.new_context(storage_state=signed_in, base_url=site)
    context.set_default_timeout(20_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Security Policy" in line.text else None)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(site) else None)

    def with_policy(route: Any) -> None:
        if not route.request.is_navigation_request():
            return route.fallback()
        response = route.fetch()
        return route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})

    page.route("**/*", with_policy)
    yield page
    context.close()
    assert faults == []


def ask(tab: Any, question: str) -> None:
    tab.get_by_label("Message", exact=True).fill(question)
    tab.get_by_label("Message", exact=True).press("Enter")


def said(tab: Any, words: str) -> None:
    """Wait until the answer has these words in it."""
    tab.locator("article.assistant .text", has_text=words).wait_for()


@pytest.mark.parametrize("name", ["vue", "htmx", "ai-sdk"])
def test_a_question_is_answered_word_by_word(tab: Any, name: str) -> None:
    tab.goto(f"/{name}/")

    ask(tab, "/long 60 <b>bold</b>")

    said(tab, "1 2 3")
    said(tab, "59 60")
    assert tab.locator("article b").count() == 0
    assert tab.locator("article.user").count() == 1


@pytest.mark.parametrize("name", ["vue", "htmx"])
def test_a_reload_carries_on_and_stop_stops(tab: Any, name: str) -> None:
    tab.goto(f"/{name}/")
    ask(tab, "/long 5000")
    said(tab, "1 2 3")
    tab.wait_for_url(f"**/{name}/*-*/")

    tab.reload()

    said(tab, "1 2 3")
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_text("Stopped.").wait_for()
    assert tab.get_by_role("button", name="Stop").count() == 0
    tab.reload()
    tab.get_by_text("Stopped.").wait_for()


@pytest.mark.parametrize("name", ["vue", "htmx", "ai-sdk"])
def test_what_is_refused_is_told(tab: Any, name: str) -> None:
    tab.goto(f"/{name}/")

    ask(tab, "x" * 100_001)

    tab.get_by_role("alert").get_by_text("This message is too long.").wait_for()
