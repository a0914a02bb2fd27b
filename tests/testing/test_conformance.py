"""The promises that a provider of a site's own is tested for, kept by the providers that ship."""

import json

import pytest

from converse_stream.events import Finish, Usage
from converse_stream.exceptions import ProtocolError, ServerError, Truncated
from converse_stream.providers.openai import ChatCompletions
from converse_stream.registry import BUILT_IN, provider
from converse_stream.testing import ProviderConformance
from tests.providers.codecs.test_chat import says, stream
from tests.recordings import FOLDER

RECORDINGS = {
    "openai": ("chat", "openai/chat-plain-usage-chunk.sse"),
    "openai-responses": ("responses", "openai/responses-plain.sse"),
    "xai": ("responses", "xai/responses-plain-reasoning.sse"),
    "xai-chat": ("chat", "xai/chat-reasoning-content.sse"),
    "groq": ("chat", "groq/reasoning-field-gpt-oss.sse"),
    "mistral": ("chat", "mistral/hybrid-reasoning-list-content.sse"),
    "openrouter": ("chat", "openrouter/reasoning-sonnet.sse"),
    "deepseek": ("chat", "deepseek/reasoning-short.sse"),
    "anthropic": ("messages", "anthropic/thinking-small.sse"),
    "gemini": ("generate_content", "gemini/thought-summary-then-text.sse"),
    "ollama": ("ollama", "ollama/native-thinking.ndjson"),
}


class TestOurs(ProviderConformance):
    @pytest.fixture(autouse=True, params=RECORDINGS)
    def _recording(self, request):
        self.name = request.param.partition("-")[0]
        self.api, path = RECORDINGS[request.param]
        self.body = FOLDER / path
        if not self.body.is_file():
            pytest.skip(f"no recordings in {FOLDER}")
        self.text = json.loads(self.body.with_suffix(".json").read_text())["expected"]["text"]

    def provider(self, url):
        config = {"base_url": url, "api_key": self.key, "api": self.api}
        return type(provider(self.name))(self.name, "m1", config=config)


def test_every_provider_that_ships_is_tested():
    """Seeds: F-05."""
    assert {name.partition("-")[0] for name in RECORDINGS} == set(BUILT_IN) - {"demo"}


# The suite itself: what it finds


HELLO = stream(says("Hel"), says("lo"), says(" you", finish="stop"))


class Suite(ProviderConformance):
    body = HELLO
    text = "Hello you"
    patience = 1

    def __init__(self, kind):
        self.kind = kind

    def provider(self, url):
        return self.kind("mine", "m1", config={"base_url": url, "api_key": self.key})


class Forgetful(ChatCompletions):
    """Leaves out how the answer ended."""

    async def deltas(self, prompt):
        async for delta in super().deltas(prompt):
            if not isinstance(delta, Finish):
                yield delta


class Gullible(ChatCompletions):
    """Takes every end of a body for the end of the answer."""

    async def deltas(self, prompt):
        try:
            async for delta in super().deltas(prompt):
                yield delta
        except Truncated:
            yield Finish("stop")


class Chatty(ChatCompletions):
    """Tells its key."""

    def __repr__(self):
        return f"<Chatty {self.config}>"


class Deaf(ChatCompletions):
    """Has an error of its own for everything."""

    def refusal(self, status, headers, body):
        return ServerError("something went wrong", status=status)


class Patient(ChatCompletions):
    """Tells nothing until all of it is there."""

    async def deltas(self, prompt):
        for delta in [delta async for delta in super().deltas(prompt)]:
            yield delta


class WaitingDecoder(ChatCompletions.apis["chat"].decoder):
    """Tells nothing until the answer has ended."""

    def __init__(self):
        super().__init__()
        self._held = b""

    def feed(self, data):
        self._held += data
        return super().feed(self._held) if b'finish_reason": "' in self._held else []


class Waiting(ChatCompletions):
    """Buffers until it knows how the answer ended."""

    apis = {"chat": type("WaitingChat", (ChatCompletions.apis["chat"],), {"decoder": WaitingDecoder})}


class Clumsy(ChatCompletions):
    """Lets the errors of its parser out."""

    async def deltas(self, prompt):
        try:
            async for delta in super().deltas(prompt):
                yield delta
        except ProtocolError as error:
            raise ValueError("Expecting value") from error


class Blind(ChatCompletions):
    """Goes on after an error in the middle of an answer."""

    async def deltas(self, prompt):
        try:
            async for delta in super().deltas(prompt):
                yield delta
        except ServerError as error:
            if error.status != 200:
                raise
            yield Finish("stop")


class Counting(ChatCompletions):
    """Counts nothing as zero."""

    async def deltas(self, prompt):
        async for delta in super().deltas(prompt):
            if isinstance(delta, Finish):
                yield Usage(0, 0)
            yield delta


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Patient, "test_the_first_words_are_there_before_the_last"),
        (Waiting, "test_the_first_words_are_there_before_the_last"),
        (Clumsy, "test_what_is_no_json_in_the_middle_of_an_answer_is_an_error"),
        (Blind, "test_an_error_in_the_middle_of_an_answer_is_an_error"),
        (Counting, "test_usage_that_nobody_counted_is_unknown_and_not_zero"),
        (Forgetful, "test_an_answer_is_told_whole_and_ends_once"),
        (Gullible, "test_an_answer_cut_short_is_an_error_after_what_was_said"),
        (Chatty, "test_the_key_is_in_a_header_and_nowhere_else"),
        (Deaf, "test_a_refusal_is_the_error_of_its_status"),
        (Deaf, "test_a_refusal_says_when_to_come_back"),
    ],
)
def test_a_provider_that_breaks_a_promise_is_found_out(kind, test):
    getattr(Suite(ChatCompletions), test)()
    with pytest.raises(AssertionError):
        getattr(Suite(kind), test)()


def test_a_suite_without_a_provider_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="return your provider"):
        ProviderConformance().provider("http://127.0.0.1:9")
