"""The provider `anthropic` over real sockets."""

import json
import threading
from typing import Any

import pytest

from converse_stream.events import Finish, Reasoning, Served, State, Text, ToolCall, Usage
from converse_stream.exceptions import (
    AuthenticationFailed,
    BadRequest,
    InvalidOptions,
    Overloaded,
    ProtocolError,
    ProviderError,
    Truncated,
)
from converse_stream.providers.anthropic import Anthropic
from converse_stream.registry import provider
from converse_stream.testing import Refusal, ReplayServer
from tests.recordings import recordings

KEY = "sk-ant-canary-0123456789"
HELLO = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-sonnet-5-5",'
    b'"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    b'event: ping\ndata: {"type":"ping"}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hello"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":2}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
ANSWER = [Served("claude-sonnet-5-5", "msg_1"), Text("Hello"), Usage(3, 2), Finish("stop", "end_turn")]
HI = ({"role": "user", "content": "hi"},)
pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)


def anthropic(url: str = "", **config: Any) -> Anthropic:
    config = {"api_key": KEY, **config}
    return Anthropic("anthropic", "claude-sonnet-5-5", config={**config, "base_url": url} if url else config)


async def answer(asked: Anthropic, messages: Any = HI, **options: Any) -> list[Any]:
    return [delta async for delta in asked.astream(messages, **options)]


async def failure(body: Any, **reply: Any) -> ProviderError:
    with ReplayServer(body, **reply) as server, pytest.raises(ProviderError) as caught:
        await answer(anthropic(server.url))
    return caught.value


async def test_an_answer_arrives_with_everything_that_belongs_to_it():
    with ReplayServer(HELLO) as server:
        deltas = await answer(anthropic(server.url), temperature=0.5, max_tokens=9)
        (request,) = server.requests

    assert deltas == ANSWER
    assert request.path == "/v1/messages"
    assert request.json == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "temperature": 0.5,
    }


async def test_the_key_and_the_version_are_in_their_headers_and_nowhere_else():
    with ReplayServer(HELLO) as server:
        await answer(anthropic(server.url))
        (request,) = server.requests

    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert KEY not in request.path + json.dumps(request.json)
    assert [name for name, value in request.headers.items() if KEY in value] == ["x-api-key"]


async def test_the_key_may_come_from_the_environment_and_headers_from_the_config(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    headers = {"anthropic-beta": "files-api", "anthropic-version": "2027-01-01"}
    with ReplayServer(HELLO) as server:
        await answer(anthropic(server.url, api_key=None, headers=headers))
        (request,) = server.requests

    assert [request.headers[name] for name in ("x-api-key", *headers)] == [KEY, "files-api", "2027-01-01"]


async def test_a_missing_key_says_where_to_put_it_before_any_request():
    with pytest.raises(AuthenticationFailed, match=r"PROVIDERS.*anthropic.*api_key.*ANTHROPIC_API_KEY"):
        await answer(anthropic(api_key=None))


def test_anthropic_itself_is_where_nothing_else_is_said():
    asked = provider("anthropic", max_tokens=5)

    assert isinstance(asked, Anthropic)
    assert asked.label == "anthropic:claude-sonnet-5-5"
    assert asked.request(asked.prompt(HI))[0] == "https://api.anthropic.com/v1/messages"


@pytest.mark.parametrize("option", ["seed", "frequency_penalty", "presence_penalty"])
def test_an_option_that_it_cannot_take_is_refused_at_once(option):
    with pytest.raises(InvalidOptions, match=option):
        provider("anthropic", **{option: 1})


@pytest.mark.parametrize("recording", recordings(streams=True, provider="anthropic", api="messages"))
@pytest.mark.parametrize("pieces", [None, 7])
async def test_a_recording_arrives_over_a_socket_as_its_sidecar_says(recording, pieces):
    expected, deltas, error = recording.expected, [], None
    with ReplayServer(recording.path, pieces=pieces) as server:
        try:
            async for delta in anthropic(server.url).astream(HI):
                deltas.append(delta)
        except ProviderError as caught:
            error = caught

    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == expected["text"]
    assert "".join(delta.text for delta in deltas if isinstance(delta, Reasoning)) == expected["reasoning"]
    assert [delta.name for delta in deltas if isinstance(delta, ToolCall)] == [
        call["name"] for call in expected["tool_calls"]
    ]
    assert (error is None) is (expected["error"] is None)


@pytest.mark.parametrize("recording", recordings(streams=False, provider="anthropic"))
async def test_a_recorded_refusal_arrives_over_a_socket(recording):
    expected = recording.expected["error"]

    error = await failure(recording.path)

    assert error.status == expected["http_status"]
    assert error.retryable is expected["retryable"]
    assert error.retry_after == expected["retry_after_s"]
    assert expected["message_contains"] in str(error)


async def test_an_error_in_the_middle_keeps_what_was_said_and_names_the_request():
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    deltas = []
    body = b"\n\n".join(HELLO.split(b"\n\n")[:4]) + b"\n\n" + event

    with ReplayServer(body, headers={"request-id": "req_9"}) as server, pytest.raises(Overloaded) as caught:
        async for delta in anthropic(server.url).astream(HI):
            deltas.append(delta)

    assert deltas[-1] == Text("Hello")
    assert caught.value.request_id == "req_9"


async def test_a_body_that_ends_early_is_truncated():
    assert isinstance(await failure(HELLO[:-60]), Truncated)
    assert isinstance(await failure(HELLO[:-60], cut=True), Truncated)


async def test_json_where_a_stream_was_expected_is_a_protocol_error():
    assert isinstance(await failure(b'{"type":"message"}', content_type="application/json"), ProtocolError)


async def test_an_answer_that_is_done_does_not_wait_for_the_end_of_the_body():
    with ReplayServer(HELLO + b": more\n\n", gate=threading.Event(), before_gate=7) as server:
        assert await answer(anthropic(server.url)) == ANSWER


async def test_an_answer_that_is_not_streamed_says_the_same():
    body = (
        b'{"type":"message","id":"msg_1","model":"claude-sonnet-5-5","content":[{"type":"text","text":"Hello"}],'
        b'"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}'
    )
    with ReplayServer(body, content_type="application/json") as server:
        deltas = await answer(anthropic(server.url), stream=False)
        (request,) = server.requests

    assert deltas == ANSWER
    assert request.json["stream"] is False


async def test_the_key_is_in_no_error_even_if_the_server_repeats_it():
    error = await failure(f'{{"error": {{"message": "Bad key {KEY}"}}}}'.encode(), status=401)

    assert KEY not in f"{error!r} {error}"


# Thinking that is sent back


THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "s"}


def conversation(by: str = "anthropic:claude-sonnet-5-5") -> list[dict[str, Any]]:
    kept = {"by": by, "data": {"at": 0, "shown": 0, "blob": THOUGHT}}
    parts = [{"type": "reasoning", "text": "Hm", "state": [kept]}, {"type": "text", "text": "Yes"}]
    return [*HI, {"role": "assistant", "parts": parts}, *HI]


async def test_thinking_goes_back_to_its_own_model_and_to_no_other():
    with ReplayServer(HELLO) as server:
        assert await answer(anthropic(server.url), conversation()) == ANSWER
        await answer(anthropic(server.url), conversation(by="anthropic:claude-opus-5-5"))
        own, others = (request.json["messages"][1]["content"] for request in server.requests)

    assert own == [THOUGHT, {"type": "text", "text": "Yes"}]
    assert others == [{"type": "text", "text": "Yes"}]


@pytest.mark.parametrize(
    "message",
    [
        "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to another conversation.",
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
        "messages.1: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
    ],
)
async def test_thinking_that_is_not_taken_back_is_left_out(message):
    refusal = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": message}})
    with ReplayServer(HELLO, faults=[Refusal(400, refusal.encode())]) as server:
        deltas = await answer(anthropic(server.url), conversation())
        first, second = (request.json["messages"][1]["content"] for request in server.requests)

    assert deltas == ANSWER
    assert (first, second) == ([THOUGHT, {"type": "text", "text": "Yes"}], [{"type": "text", "text": "Yes"}])


async def test_another_complaint_is_not_answered_with_another_request():
    with ReplayServer(b'{"error":{"message":"no"}}', status=400) as server, pytest.raises(BadRequest):
        await answer(anthropic(server.url), conversation())

    assert len(server.requests) == 1


async def test_closing_an_answer_that_thinking_was_sent_back_for_closes_the_connection():
    with ReplayServer(HELLO, gate=threading.Event(), before_gate=4) as server:
        deltas = anthropic(server.url).astream(conversation())
        await anext(deltas)
        await deltas.aclose()

        assert server.disconnected.wait(60)


async def test_the_state_of_an_answer_follows_what_it_belongs_to():
    thinking = (
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"Hm"}}\n\n'
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}\n\n'
        b'data: {"type":"content_block_stop","index":0}\n\n'
        b'data: {"type":"message_stop"}\n\n'
    )
    with ReplayServer(thinking) as server:
        reasoning, state, _ = await answer(anthropic(server.url), reasoning=True)

    assert reasoning == Reasoning("Hm")
    assert state == State("reasoning", {"at": 0, "shown": 0, "blob": THOUGHT})
