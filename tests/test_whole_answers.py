"""Answers that are not streamed, by wish or because streaming failed: the same record, in one piece."""

import json
from typing import Any

import pytest

from converse_stream.events import Finish, Reasoning, ToolCall
from converse_stream.exceptions import Overloaded
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.registry import provider
from converse_stream.testing import Follower, Refusal, ReplayServer, ScriptedProvider, Stall
from tests.turns import InTurn
from tests.waiting import finished_attempts

pytestmark = pytest.mark.django_db(transaction=True)

WHOLE = json.dumps(
    {
        "id": "r1",
        "model": "m-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "All at once."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
).encode()
STREAM = (
    b'data: {"id":"r2","model":"m-2026","choices":[{"index":0,"delta":{"content":"Word "}}]}\n\n'
    b'data: {"id":"r2","model":"m-2026","choices":[{"index":0,"delta":{"content":"by word."},"finish_reason":"stop"}]}'
    b"\n\ndata: [DONE]\n\n"
)


def by_wish(request: Any) -> Any:
    return Refusal(200, WHOLE) if not request.json.get("stream") else None


@pytest.fixture(params=["thread", "inline"])
def ask(request, conversation: Conversation, settings):
    def ask(server: ReplayServer, **options: Any) -> Message:
        entry = {"api_key": "k", "base_url": server.url, "timeouts": {"first_token": 1}}
        settings.CONVERSE_STREAM = {"RUNNER": request.param, "RETRIES": 1, "PROVIDERS": {"openai": entry}}
        return conversation.ask("Tell me.", model="openai:m", options=options)

    return ask


def test_an_answer_that_is_not_streamed_is_one_chunk_of_the_same_record(ask) -> None:
    with ReplayServer(STREAM, faults=by_wish) as server:
        message = ask(server, stream=False)
        seen = Follower().read(message.stream_response())
        message.wait(60)

    assert (message.status, message.content, seen.text) == (Status.COMPLETE, "All at once.", "All at once.")
    assert (message.model, message.input_tokens, message.output_tokens) == ("m-2026", 5, 3)
    assert (message.metadata["streamed"], message.metadata["chunks"]) == (False, 1)
    assert Chunk.objects.filter(message=message).count() == 1
    assert [request.json.get("stream", False) for request in server.requests] == [False]
    assert [attempt.outcome for attempt in finished_attempts(message)] == ["complete"]


@pytest.mark.parametrize("wish", [True, None, "prefer"])
def test_a_stream_that_works_is_streamed(ask, wish) -> None:
    with ReplayServer(STREAM, faults=by_wish) as server:
        message = ask(server, stream=wish).wait(60)

    assert (message.content, message.metadata["streamed"]) == ("Word by word.", True)
    assert [request.json["stream"] for request in server.requests] == [True]


@pytest.mark.parametrize(
    "fault", [Refusal(400), Refusal(500, headers={"retry-after": "0"}), Refusal(200, b""), Stall()]
)
def test_a_stream_that_fails_before_its_first_word_is_asked_for_whole(ask, fault) -> None:
    """Seeds: C-13."""

    def turn(request: Any) -> Any:
        return fault if request.json.get("stream") else Refusal(200, WHOLE)

    with ReplayServer(STREAM, faults=turn) as server:
        message = ask(server, stream="prefer").wait(15)

    assert (message.status, message.content, message.metadata["streamed"]) == (Status.COMPLETE, "All at once.", False)
    assert [request.json.get("stream", False) for request in server.requests] == [True, False]
    assert [attempt.outcome for attempt in finished_attempts(message)] == ["failed", "complete"]


def test_a_stream_that_breaks_after_its_first_word_is_not_asked_for_again(ask) -> None:
    with ReplayServer(STREAM[:90] + b"\n\n", faults=None) as server:
        message = ask(server, stream="prefer").wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "truncated", "Word ")
    assert (message.metadata["streamed"], len(server.requests)) == (True, 1)


def test_a_wrong_key_is_not_helped_by_asking_without_a_stream(ask) -> None:
    with ReplayServer(STREAM, faults=Refusal(401)) as server:
        message = ask(server, stream="prefer").wait(60)

    assert (message.error_code, len(server.requests)) == ("auth", 1)


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_a_provider_that_can_only_stream_is_written_down_in_one_piece(conversation, settings, runner) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    words = [Reasoning("Let me "), Reasoning("see. "), "One ", "and ", ToolCall("1", "f", {}), "two"]

    message = conversation.ask("go", model=ScriptedProvider(words), options={"stream": False}).wait(60)

    assert [part["type"] for part in message.parts] == ["reasoning", "text", "tool_call", "text"]
    assert (message.content, message.delta_count) == ("One and two", 4)
    assert Chunk.objects.filter(message=message).count() == 4


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_what_was_held_back_is_kept_when_it_breaks_off(conversation, settings, runner) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    provider = InTurn(["half ", "an ", Overloaded(retry_after=0)], ["again"])

    message = conversation.ask("go", model=provider, options={"stream": False}).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "overloaded", "half an ")


def test_a_provider_that_is_preferably_streamed_is_told_how_it_is_asked(conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    provider = InTurn([Overloaded(retry_after=0)], ["yes", Finish("stop")])

    message = conversation.ask("go", model=provider, options={"stream": "prefer"})

    assert [prompt.options["stream"] for prompt in provider.prompts] == [True, False]
    assert message.metadata["streamed"] is False


async def test_a_provider_alone_asks_for_a_whole_answer_where_streaming_fails(settings) -> None:
    def faults(request: Any) -> Any:
        return Refusal(503, b"") if request.json.get("stream") else Refusal(200, WHOLE)

    with ReplayServer(STREAM, faults=faults) as server:
        settings.CONVERSE_STREAM = {"PROVIDERS": {"openai": {"api_key": "k", "base_url": server.url}}}
        messages = [{"role": "user", "content": "Tell me."}]
        assert await provider("openai:m").atext(messages, stream="prefer") == "All at once."
        with pytest.raises(Overloaded):
            await provider("openai:m").atext(messages)
