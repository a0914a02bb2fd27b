"""The streams of OpenAI's and Anthropic's own libraries as sources, over recorded traffic."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from converse_stream.events import TEXT_KINDS, Reasoning, Text
from converse_stream.generation.foreign import Foreign
from converse_stream.models import Conversation, Message
from converse_stream.testing import Refusal, ReplayServer
from tests.providers.codecs.decoding import decode, joined
from tests.recordings import FOLDER
from tests.test_foreign import KINDS, RECORDED, figures

pytestmark = [pytest.mark.clients, pytest.mark.django_db(transaction=True)]

HELLO = [{"role": "user", "content": "Hi"}]
APIS = ["chat_completions", "responses", "messages"]
PLAIN = {
    "chat_completions": "openai/chat-plain-usage-chunk",
    "responses": "openai/responses-plain",
    "messages": "anthropic/plain-short",
}
LONG = {**PLAIN, "messages": "anthropic/thinking-small"}
TOOLS = {
    "chat_completions": "openai/chat-parallel-tools-streamed-args",
    "responses": "openai/responses-parallel-tools",
    "messages": "anthropic/tools-parallel-no-text",
}


@contextmanager
def opened(api: str, url: str) -> Iterator[Any]:
    """Ask with the library, and yield its stream."""
    if api == "messages":
        anthropic = pytest.importorskip("anthropic")
        with anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="secret", max_retries=0) as client:
            yield client.messages.create(model="claude-sonnet-5-5", max_tokens=99, messages=HELLO, stream=True)
        return
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=url, api_key="secret", max_retries=0) as client:
        if api == "responses":
            yield client.responses.create(model="gpt-6-luna", input="Hi", stream=True)
        else:
            yield client.chat.completions.create(model="gpt-6-luna", messages=HELLO, stream=True)


async def words_of(api: str, url: str) -> AsyncIterator[Any]:
    """Yield what the library's async stream yields."""
    if api == "messages":
        anthropic = pytest.importorskip("anthropic")
        async with anthropic.AsyncAnthropic(base_url=url.removesuffix("/v1"), api_key="secret") as client:
            stream = await client.messages.create(model="claude", max_tokens=99, messages=HELLO, stream=True)
            async for event in stream:
                yield event
        return
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(base_url=url, api_key="secret") as client:
        if api == "responses":
            stream = await client.responses.create(model="gpt-6-luna", input="Hi", stream=True)
        else:
            stream = await client.chat.completions.create(model="gpt-6-luna", messages=HELLO, stream=True)
        async for event in stream:
            yield event


@pytest.mark.parametrize("recording", RECORDED)
def test_a_librarys_stream_says_what_the_wire_says(recording: Any) -> None:
    api = recording.sidecar["api"]
    expected, error = decode(KINDS[api], recording.body)
    deltas: list[Any] = []
    raised: Exception | None = None

    # The libraries drop an event that no blank line ends.
    body = recording.body + b"\n\n" if error is None else recording.body
    with ReplayServer(body, content_type="text/event-stream") as server:
        try:
            with Foreign() as foreign, opened(api, server.url) as stream:
                for event in stream:
                    deltas.extend(foreign.deltas(event))
                deltas.extend(foreign.rest())
        except Exception as caught:  # noqa: BLE001 - compared below
            raised = caught

    if error is None:
        assert raised is None, raised
        assert figures(deltas) == figures(expected)
    else:
        assert getattr(raised, "code", None) == error.code, raised
        assert joined(expected, Text).startswith(joined(deltas, Text))
        assert joined(expected, Reasoning).startswith(joined(deltas, Reasoning))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_an_answer_from_a_library_is_recorded(conversation: Conversation, settings: Any, api: str, runner: str) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    expected, _error = decode(KINDS[api], (FOLDER / f"{PLAIN[api]}.sse").read_bytes())

    with ReplayServer(FOLDER / f"{PLAIN[api]}.sse") as server, opened(api, server.url) as stream:
        message = conversation.ask("Hi", source=stream).wait(60)

    text, _reasoning, _calls, (usage, finish) = figures(expected)
    assert (message.status, message.content, message.finish_reason) == ("complete", text, finish.reason)
    assert (message.input_tokens, message.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert message.model


@pytest.mark.parametrize("api", APIS)
def test_the_calls_of_tools_are_recorded(conversation: Conversation, api: str) -> None:
    expected, _error = decode(KINDS[api], (FOLDER / f"{TOOLS[api]}.sse").read_bytes())

    with ReplayServer(FOLDER / f"{TOOLS[api]}.sse") as server, opened(api, server.url) as stream:
        message = conversation.ask("Hi", source=stream).wait(60)

    calls = [(part["name"], part["arguments"]) for part in message.parts if part["type"] == "tool_call"]
    assert calls == figures(expected)[2] != []
    assert message.finish_reason == "tool_calls"


@pytest.mark.parametrize("api", APIS)
async def test_an_async_stream_is_recorded(conversation: Conversation, api: str) -> None:
    with ReplayServer(FOLDER / f"{PLAIN[api]}.sse") as server:
        message = await conversation.aask("Hi", source=words_of(api, server.url))
        message = await message.await_ending(20)

    assert message.status == "complete"
    assert message.content


@pytest.mark.parametrize("api", APIS)
def test_a_stop_hangs_up_on_the_librarys_connection(conversation: Conversation, api: str) -> None:
    with ReplayServer(FOLDER / f"{LONG[api]}.sse", interval=0.3) as server, opened(api, server.url) as stream:
        message = conversation.ask("Hi", source=stream)
        for event in message.follow(timeout=60):
            if event.kind in TEXT_KINDS:
                message.cancel()

        assert server.disconnected.wait(60)
    assert Message.objects.get(pk=message.pk).status == "cancelled"


@pytest.mark.parametrize("api", APIS)
def test_a_refused_request_fails_the_answer_with_its_code(conversation: Conversation, api: str) -> None:
    def words(url: str) -> Iterator[Any]:
        with opened(api, url) as stream:
            yield from stream

    refusal = Refusal(429, b'{"error": {"message": "slow down", "type": "rate_limit_error"}}', {"Retry-After": "3"})
    with ReplayServer(FOLDER / f"{PLAIN[api]}.sse", faults=refusal) as server:
        message = conversation.ask("Hi", source=words(server.url)).wait(60)

    assert (message.status, message.error_code) == ("failed", "rate_limit")
    assert "secret" not in message.error_message


@pytest.mark.parametrize("api", APIS)
def test_a_connection_that_breaks_fails_the_answer_and_keeps_its_text(conversation: Conversation, api: str) -> None:
    body = (FOLDER / f"{PLAIN[api]}.sse").read_bytes()

    broken = ReplayServer(body[: len(body) * 2 // 3], content_type="text/event-stream", cut=True)
    with broken as server, opened(api, server.url) as stream:
        message = conversation.ask("Hi", source=stream).wait(60)

    assert message.status == "failed"
    assert message.error_code in ("connection", "truncated")


def test_the_helpers_of_the_libraries_say_nothing_twice(conversation: Conversation) -> None:
    anthropic, openai = pytest.importorskip("anthropic"), pytest.importorskip("openai")

    def claude(url: str) -> Iterator[Any]:
        client = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="secret")
        opening = client.messages.stream(model="claude-sonnet-5-5", max_tokens=99, messages=HELLO)
        with client, opening as stream:
            yield from stream

    def gpt(url: str) -> Iterator[Any]:
        client = openai.OpenAI(base_url=url, api_key="secret")
        with client, client.chat.completions.stream(model="gpt-6-luna", messages=HELLO) as stream:
            yield from stream

    for api, source in (("messages", claude), ("chat_completions", gpt)):
        expected, _error = decode(KINDS[api], (FOLDER / f"{PLAIN[api]}.sse").read_bytes())
        with ReplayServer(FOLDER / f"{PLAIN[api]}.sse") as server:
            message = conversation.ask("Hi", source=source(server.url)).wait(60)
        assert message.content == joined(expected, Text)
