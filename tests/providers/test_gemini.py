"""The provider `gemini` over real sockets."""

import json
from typing import Any

import pytest

from converse_stream.events import Finish, Reasoning, Served, Text, ToolCall, Usage
from converse_stream.exceptions import AuthenticationFailed, Overloaded, ProtocolError, ProviderError, Truncated
from converse_stream.providers.gemini import Gemini
from converse_stream.registry import provider
from converse_stream.testing import ReplayServer
from tests.recordings import recordings

KEY = "AIza-canary-0123456789"
FIRST = b'data: {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}],"modelVersion": "gemini-3.8-flash"}\r\n\r\n'
HELLO = FIRST + (
    b'data: {"candidates": [{"content": {"parts": [{"text": "lo"}]},"finishReason": "STOP"}],'
    b'"usageMetadata": {"promptTokenCount": 3,"candidatesTokenCount": 2},"modelVersion": "gemini-3.8-flash"}\r\n\r\n'
)
ANSWER = [Served("gemini-3.8-flash"), Text("Hel"), Text("lo"), Usage(3, 2), Finish("stop", "STOP")]
HI = ({"role": "user", "content": "hi"},)

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)


def gemini(url: str = "", **config: Any) -> Gemini:
    config = {"api_key": KEY, **config}
    return Gemini("gemini", "gemini-3.8-flash", config={**config, "base_url": url} if url else config)


async def answer(asked: Gemini, messages: Any = HI, **options: Any) -> list[Any]:
    return [delta async for delta in asked.astream(messages, **options)]


async def failure(body: Any, **reply: Any) -> ProviderError:
    with ReplayServer(body, **reply) as server, pytest.raises(ProviderError) as caught:
        await answer(gemini(server.url))
    return caught.value


async def test_an_answer_arrives_with_everything_that_belongs_to_it():
    with ReplayServer(HELLO) as server:
        deltas = await answer(gemini(server.url), temperature=0.5)
        (request,) = server.requests

    assert deltas == ANSWER
    assert request.path == "/v1/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    assert request.json == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"temperature": 0.5},
    }


async def test_the_key_is_in_its_header_and_nowhere_else():
    with ReplayServer(HELLO) as server:
        await answer(gemini(server.url))
        (request,) = server.requests

    assert [name for name, value in request.headers.items() if KEY in value] == ["x-goog-api-key"]
    assert request.headers["x-goog-api-key"] == KEY
    assert KEY not in request.path + json.dumps(request.json)


async def test_the_key_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with ReplayServer(HELLO) as server:
        await answer(gemini(server.url, api_key=None))
        (request,) = server.requests

    assert request.headers["x-goog-api-key"] == KEY


async def test_a_missing_key_says_where_to_put_it_before_any_request():
    with pytest.raises(AuthenticationFailed, match=r"PROVIDERS.*gemini.*api_key.*GEMINI_API_KEY"):
        await answer(gemini(api_key=None))


def test_google_itself_is_where_nothing_else_is_said():
    asked = provider("gemini", seed=5)

    assert isinstance(asked, Gemini)
    assert asked.label == "gemini:gemini-3.8-flash"
    address = "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    assert asked.request(asked.prompt(HI))[0] == address


@pytest.mark.parametrize("recording", recordings(streams=True, provider="gemini", api="generate_content"))
@pytest.mark.parametrize("pieces", [None, 7])
async def test_a_recording_arrives_over_a_socket_as_its_sidecar_says(recording, pieces):
    """Seeds: W-03."""
    expected, deltas, error = recording.expected, [], None
    with ReplayServer(recording.path, pieces=pieces) as server:
        try:
            async for delta in gemini(server.url).astream(HI):
                deltas.append(delta)
        except ProviderError as caught:
            error = caught

    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == expected["text"]
    assert "".join(delta.text for delta in deltas if isinstance(delta, Reasoning)) == expected["reasoning"]
    assert [delta.name for delta in deltas if isinstance(delta, ToolCall)] == [
        call["name"] for call in expected["tool_calls"]
    ]
    assert (error is None) is (expected["error"] is None)


@pytest.mark.parametrize("recording", recordings(streams=False, provider="gemini"))
async def test_a_recorded_refusal_arrives_over_a_socket(recording):
    expected = recording.expected["error"]

    error = await failure(recording.path)

    assert error.status == expected["http_status"]
    assert error.retryable is expected["retryable"]
    assert error.retry_after == expected["retry_after_s"]
    assert (expected["message_contains"] or "") in str(error)


async def test_a_refusal_that_calls_itself_an_event_stream_is_one():
    error = await failure(b'{"error": {"code": 404, "message": "no such model"}}', status=404)

    assert (error.code, error.status) == ("not_found", 404)


async def test_an_error_as_bare_json_in_the_middle_keeps_what_was_said():
    bare = json.dumps({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, indent=2).encode()
    deltas = []

    with ReplayServer(FIRST + bare) as server, pytest.raises(Overloaded):
        async for delta in gemini(server.url).astream(HI):
            deltas.append(delta)

    assert deltas == ANSWER[:2]


async def test_a_body_that_ends_early_is_truncated():
    assert isinstance(await failure(FIRST), Truncated)
    assert isinstance(await failure(FIRST, cut=True), Truncated)
    assert isinstance(await failure(HELLO[:-60]), Truncated)


async def test_json_where_a_stream_was_expected_is_a_protocol_error():
    assert isinstance(await failure(b'[{"candidates": []}]', content_type="application/json"), ProtocolError)


async def test_an_answer_that_is_not_streamed_says_the_same():
    body = (
        b'{"candidates": [{"content": {"parts": [{"text": "Hel"}, {"text": "lo"}]}, "finishReason": "STOP"}],'
        b'"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}, "modelVersion": "gemini-3.8-flash"}'
    )
    with ReplayServer(body, content_type="application/json") as server:
        deltas = await answer(gemini(server.url), stream=False)
        (request,) = server.requests

    assert deltas == ANSWER
    assert request.path == "/v1/models/gemini-3.8-flash:generateContent"
    assert "stream" not in request.json


async def test_a_signature_goes_back_to_its_own_model_and_to_no_other():
    made = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2lnbmVk"}
    kept = {"by": "gemini:gemini-3.8-flash", "data": {"at": 0, "shown": 0, "blob": made}}
    call = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {}, "state": [kept]}
    result = {"type": "tool_result", "id": "call_1", "name": "f", "result": "done"}
    conversation = [*HI, {"role": "assistant", "parts": [call, result]}]
    another = Gemini("other", "gemini-3.8-flash", config={"api_key": KEY})
    with ReplayServer(HELLO) as server:
        await answer(gemini(server.url), conversation)
        (request,) = server.requests
    _, elsewhere = another.request(another.prompt(conversation))

    assert request.json["contents"][1]["parts"] == [made]
    assert elsewhere["contents"][1]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"


async def test_the_key_is_in_no_error_even_if_the_server_repeats_it():
    error = await failure(f'{{"error": {{"message": "Bad key {KEY}"}}}}'.encode(), status=400)

    assert KEY not in f"{error!r} {error}"
