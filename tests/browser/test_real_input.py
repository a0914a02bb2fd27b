"""The main job on real input, as a person sees it: a recorded provider, the example site, the page."""

from collections.abc import Iterator

import pytest

from converse_stream.testing import ReplayServer
from tests.browser.page import ChatPage
from tests.browser.server import example_site
from tests.recordings import Recording, plain_recordings

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def provider() -> Iterator[ReplayServer]:
    with ReplayServer(b"") as server:
        yield server


@pytest.fixture(scope="module")
def site(provider: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {"CONVERSE_MODEL": "openai:gpt-test", "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.url}
    with example_site(tmp_path_factory.mktemp("site"), **environment) as address:
        yield address


@pytest.mark.parametrize("recording", plain_recordings(provider="openai"))
def test_a_recorded_answer_reaches_the_page_character_for_character(
    recording: Recording, provider: ReplayServer, chat: ChatPage
) -> None:
    provider.faults = lambda _request: recording.path

    chat.ask("Tell me.")

    assert chat.wait_for_ending() == recording.expected["text"]
    chat.page.reload()
    assert chat.text() == recording.expected["text"]
