"""The provider `openai`, and servers that speak its format, over real sockets."""

import asyncio
import gzip
import json
import threading
from typing import Any

import pytest

from converse_stream.events import Finish, Reasoning, Served, State, Text, ToolCall, Usage
from converse_stream.exceptions import (
    AuthenticationFailed,
    BadRequest,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Truncated,
)
from converse_stream.prompts import Prompt, to_messages
from converse_stream.providers.openai import ChatCompletions, OpenAI
from converse_stream.testing import Refusal, ReplayServer
from tests.recordings import recordings

KEY = "sk-canary-0123456789"
HELLO = (
    b'data: {"id":"r1","model":"m1","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
    b'data: {"id":"r1","model":"m1","choices":[{"index":0,"delta":{"content":" you"}}]}\n\n'
    b'data: {"id":"r1","model":"m1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
RESPONSE = (
    b'data: {"type":"response.created","response":{"id":"r1","model":"m1","status":"in_progress"}}\n\n'
    b'data: {"type":"response.output_text.delta","delta":"Hello"}\n\n'
    b'data: {"type":"response.output_text.delta","delta":" you"}\n\n'
    b'data: {"type":"response.completed","response":{"id":"r1","model":"m1","status":"completed",'
    b'"output":[{"type":"message","content":[{"type":"output_text","text":"Hello you"}]}],'
    b'"usage":{"input_tokens":3,"output_tokens":2}}}\n\n'
)
HI = ({"role": "user", "content": "hi"},)

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def openai(url: str = "", **config: Any) -> OpenAI:
    config = {"api_key": KEY, **config}
    return OpenAI("openai", "gpt-6-luna", config={**config, "base_url": url} if url else config)


async def answer(provider: ChatCompletions, **options: Any) -> list[Any]:
    return [delta async for delta in provider.astream(HI, **options)]


async def failure(body: bytes, **reply: Any) -> Exception:
    with ReplayServer(body, **reply) as server, pytest.raises(Exception) as caught:
        await answer(openai(server.url))
    return caught.value


def joined(deltas: list[Any], kind: type) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


async def test_an_answer_arrives_with_everything_that_belongs_to_it():
    with ReplayServer(HELLO) as server:
        deltas = await answer(openai(server.url), temperature=0.5, max_tokens=9)
        (request,) = server.requests

    assert deltas == [Served("m1", "r1"), Text("Hello"), Text(" you"), Finish("stop", "stop")]
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "model": "gpt-6-luna",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 9,
    }


@pytest.mark.parametrize("recording", recordings(streams=True, provider="openai"))
@pytest.mark.parametrize("pieces", [None, 7])
async def test_a_recording_arrives_over_a_socket_as_its_sidecar_says(recording, pieces):
    expected = recording.expected
    deltas = []
    with ReplayServer(recording.path, pieces=pieces) as server:
        try:
            async for delta in openai(server.url).astream(HI):
                deltas.append(delta)
        except (Truncated, ServerError):
            assert expected["error"]

    assert joined(deltas, Text) == expected["text"] + expected["refusal"]
    assert any(isinstance(delta, Finish) for delta in deltas) is not bool(expected["error"])


@pytest.mark.parametrize("recording", recordings(streams=False, provider="openai"))
async def test_a_recorded_refusal_arrives_over_a_socket(recording):
    expected = recording.expected["error"]

    error = await failure(recording.path)

    assert error.status == expected["http_status"]
    assert error.retry_after == expected["retry_after_s"]
    assert expected["message_contains"] in str(error)


async def test_the_first_text_is_there_before_the_provider_has_finished():
    gate = threading.Event()
    with ReplayServer(HELLO, gate=gate) as server:
        deltas = openai(server.url).astream(HI)
        first = [await anext(deltas), await anext(deltas)]
        gate.set()
        rest = [delta async for delta in deltas]

    assert first == [Served("m1", "r1"), Text("Hello")]
    assert rest == [Text(" you"), Finish("stop", "stop")]


async def test_closing_the_answer_closes_the_connection():
    """Seeds: W-13."""
    with ReplayServer(HELLO, gate=threading.Event()) as server:
        deltas = openai(server.url).astream(HI)
        await anext(deltas)
        await deltas.aclose()
        left = await asyncio.to_thread(server.disconnected.wait, 10)

    assert left


async def test_cancelling_a_silent_answer_closes_the_connection():
    with ReplayServer(HELLO, gate=threading.Event(), before_gate=0) as server:
        task = asyncio.create_task(answer(openai(server.url)))
        await asyncio.to_thread(server.requested.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = await asyncio.to_thread(server.disconnected.wait, 10)

    assert left


async def test_an_answer_that_is_done_does_not_wait_for_the_end_of_the_body():
    with ReplayServer(HELLO + b": more\n\n", gate=threading.Event(), before_gate=4) as server:
        async with asyncio.timeout(60):
            deltas = await answer(openai(server.url))

    assert deltas[-1] == Finish("stop", "stop")


async def test_two_answers_one_after_the_other_use_one_connection():
    with ReplayServer(HELLO) as server:
        await answer(openai(server.url))
        await answer(openai(server.url))
        first, second = server.requests

    assert first.port == second.port


def test_sync_code_needs_no_event_loop_and_leaves_nothing_open():
    with ReplayServer(HELLO) as server:
        deltas = list(openai(server.url).stream(HI))

    assert joined(deltas, Text) == "Hello you"


def test_sync_code_that_stops_early_closes_the_connection():
    with ReplayServer(HELLO, gate=threading.Event()) as server:
        deltas = openai(server.url).stream(HI)
        next(deltas)
        deltas.close()
        left = server.disconnected.wait(60)

    assert left


async def test_deltas_before_an_error_are_given():
    event = b'data: {"error": {"message": "out of order", "type": "server_error"}}\n\n'
    deltas = []
    breaks = ReplayServer(HELLO.split(b"\n\n")[0] + b"\n\n" + event, headers={"x-request-id": "req_9"})

    with breaks as server, pytest.raises(ServerError, match="out of order") as caught:
        async for delta in openai(server.url).astream(HI):
            deltas.append(delta)

    assert joined(deltas, Text) == "Hello"
    assert caught.value.request_id == "req_9"


async def test_a_body_that_ends_early_is_truncated():
    assert isinstance(await failure(HELLO[:100], cut=True), Truncated)
    assert isinstance(await failure(HELLO[:100]), Truncated)


async def test_json_where_a_stream_was_expected_is_a_protocol_error():
    assert isinstance(await failure(b'{"choices": []}', content_type="application/json"), ProtocolError)


async def test_an_error_with_status_200_is_an_error():
    body = b'{"error": {"message": "no credits", "code": "insufficient_quota"}}'

    assert isinstance(await failure(body, content_type="application/json"), QuotaExceeded)
    assert isinstance(await failure(body, content_type="text/event-stream"), QuotaExceeded)


async def test_a_status_counts_before_the_content_type():
    """Seeds: L-06."""
    error = await failure(b'{"error": {"message": "slower"}}', status=429, content_type="text/event-stream")

    assert isinstance(error, RateLimited)


@pytest.mark.parametrize(("status", "code"), [(401, "auth"), (429, "rate_limit")])
async def test_a_compressed_refusal_is_the_error_of_its_status(status, code):
    headers = {"content-encoding": "gzip", "retry-after": "7", "x-request-id": "r7"}
    refusal = Refusal(status, gzip.compress(b'{"error": {"message": "no"}}'), headers)

    with ReplayServer(HELLO, faults=refusal) as server, pytest.raises(ProviderError) as caught:
        await answer(openai(server.url))

    assert (caught.value.code, caught.value.status) == (code, status)
    assert (caught.value.retry_after, caught.value.request_id) == (7, "r7")


async def test_an_answer_that_only_calls_a_tool_has_begun():
    call = b'{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"%b"}}]}}]}'
    events = [b"data: " + call % piece for piece in [b"{", *[b" "] * 30, b"}"]]
    body = b"\n\n".join([*events, b"data: [DONE]\n\n"])
    with ReplayServer(body, interval=0.03) as server:
        deltas = await answer(openai(server.url, timeouts={"first_token": 0.6}))

    assert deltas == [ToolCall("c", "f", {}, "{" + " " * 30 + "}"), Finish("tool_calls", "")]


async def test_keep_alive_comments_are_no_first_token():
    with ReplayServer(b": keep-alive\n\n" * 500 + HELLO, interval=0.01) as server, pytest.raises(ProviderTimeout):
        await answer(openai(server.url, timeouts={"first_token": 0.1}))


async def test_reasoning_and_usage_of_a_compatible_server_arrive():
    body = (
        b'data: {"choices":[{"delta":{"reasoning_content":"Hm"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"Yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}\n\n'
        b"data: [DONE]\n\n"
    )
    with ReplayServer(body) as server:
        deltas = await answer(ChatCompletions("local", "any", config={"base_url": server.url}))

    assert deltas == [Reasoning("Hm"), Text("Yes"), Usage(3), Finish("stop", "stop")]


# Keys


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["m1", ""])
async def test_the_request_id_of_the_headers_counts_where_the_answer_has_none(model, stream):
    choice = {"delta": {"content": "Hi"}, "message": {"content": "Hi"}, "finish_reason": "stop"}
    said = json.dumps({"model": model, "choices": [choice]}).encode()
    body, kind = (b"data: " + said + b"\n\n", "text/event-stream") if stream else (said, "application/json")
    with ReplayServer(body, content_type=kind, headers={"x-request-id": "h7"}) as server:
        deltas = await answer(openai(server.url), stream=stream)

    assert deltas[-2:] == [Served(model, "h7"), Finish("stop", "stop")]


async def test_the_request_id_of_the_answer_itself_wins():
    with ReplayServer(HELLO, headers={"x-request-id": "h7"}) as server:
        deltas = await answer(openai(server.url))

    assert [delta for delta in deltas if isinstance(delta, Served)] == [Served("m1", "r1")]


async def test_a_missing_key_says_where_to_put_it_before_any_request():
    with pytest.raises(AuthenticationFailed, match=r"PROVIDERS.*openai.*api_key.*OPENAI_API_KEY"):
        await answer(openai(api_key=None))


async def test_the_key_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ReplayServer(HELLO) as server:
        await answer(openai(server.url, api_key=None))
        (request,) = server.requests

    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_a_callable_is_asked_for_the_key_at_each_call():
    keys = iter(["first", "second"])
    with ReplayServer(HELLO) as server:
        provider = openai(server.url, api_key=lambda: next(keys))
        await answer(provider)
        await answer(provider)

        assert [request.headers["authorization"] for request in server.requests] == ["Bearer first", "Bearer second"]


async def test_another_server_needs_no_key_and_gets_none_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ReplayServer(HELLO) as server:
        await answer(ChatCompletions("local", "any", config={"base_url": server.url}))
        (request,) = server.requests

    assert "authorization" not in request.headers


async def test_the_key_is_in_no_error_even_if_the_server_repeats_it():
    http = await failure(f'{{"error": {{"message": "Bad key {KEY}"}}}}'.encode(), status=401)
    event = await failure(f'data: {{"error": {{"message": "Bad key {KEY}"}}}}\n\n'.encode())

    assert KEY not in f"{http!r} {http} {event!r} {event}"
    assert "Bad key [key]" in str(http)


async def test_a_key_with_a_line_break_in_it_is_refused_without_being_quoted():
    error = None
    with ReplayServer(HELLO) as server:
        with pytest.raises(AuthenticationFailed) as caught:
            await answer(openai(server.url, api_key="sk-canary\nsecond-line"))
        error = caught.value

    assert "canary" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"


def test_the_key_is_in_no_repr():
    provider = openai(headers={"api-key": KEY})

    assert repr(provider) == "<OpenAI openai:gpt-6-luna>"
    assert KEY not in repr(provider._headers)


# Config


def test_openai_itself_is_where_nothing_else_is_said():
    provider = OpenAI("openai")

    address, _body = provider.request(provider.prompt(HI))
    assert address == "https://api.openai.com/v1/responses"
    assert provider.model == "gpt-6-luna"


@pytest.mark.parametrize(
    ("url", "api", "path"),
    [
        ("https://api.openai.com/v1", None, "/responses"),
        ("https://eu.api.openai.com/v1", None, "/responses"),
        ("https://api.openai.com/v1", "chat", "/chat/completions"),
        ("https://gateway.example/v1", None, "/chat/completions"),
        ("https://api.openai.com.example/v1", None, "/chat/completions"),
        ("https://gateway.example/v1", "responses", "/responses"),
    ],
)
def test_openai_itself_is_asked_for_responses_and_a_gateway_for_chat_completions(url, api, path):
    in_the_config = openai(url, **({"api": api} if api else {}))
    in_the_call = openai(url)
    prompts = in_the_config.prompt(HI), in_the_call.prompt(HI, {"api": api} if api else {})

    addresses = [each.request(prompt)[0] for each, prompt in zip((in_the_config, in_the_call), prompts, strict=True)]

    assert addresses == [url + path] * 2


def test_max_tokens_has_another_name_at_openai():
    prompt = Prompt(to_messages(HI), "m", {"max_tokens": 5, "api": "chat"})

    assert openai().request(prompt)[1]["max_completion_tokens"] == 5
    assert openai("http://localhost:8000/v1/").request(prompt)[1]["max_tokens"] == 5


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("gpt-6-luna", True),
        ("o3", True),
        ("gpt-5-2025-08-07", True),
        ("gpt-4o-mini", False),
        ("gpt-4.1-2025-04-14", False),
        ("ft:gpt-4o:site::id", False),
        ("openai/gpt-4.1", False),
        ("chatgpt-4o-latest", False),
        ("gpt-5-chat-latest", False),
        ("gpt-5.2-chat", False),
    ],
)
def test_only_models_that_reason_are_asked_for_their_reasoning(model, reasons):
    _address, body = openai().request(Prompt(to_messages(HI), model))

    assert body["store"] is False
    assert ("include" in body) is reasons


async def test_a_response_arrives_with_everything_that_belongs_to_it():
    with ReplayServer(RESPONSE) as server:
        deltas = await answer(openai(server.url, api="responses"), max_tokens=99, reasoning="low")
        (request,) = server.requests

    assert deltas == [Served("m1", "r1"), Text("Hello"), Text(" you"), Usage(3, 2), Finish("stop", "completed")]
    assert request.path == "/v1/responses"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "model": "gpt-6-luna",
        "input": [{"role": "user", "content": "hi"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 99,
        "reasoning": {"effort": "low"},
    }


@pytest.mark.parametrize("recording", recordings(streams=True, provider="openai", api="responses"))
@pytest.mark.parametrize("pieces", [None, 7])
async def test_a_recorded_response_says_the_same_over_a_socket(recording, pieces):
    said, error = [], None
    with ReplayServer(recording.path, pieces=pieces) as server:
        try:
            async for delta in openai(server.url, api="responses").astream(HI):
                said.append(delta)
        except ProviderError as caught:
            error = caught

    assert joined(said, Text) == recording.expected["text"] + recording.expected["refusal"]
    assert (error is None) == (recording.expected["error"] is None)
    assert error is None or recording.expected["error"]["message_contains"] in str(error)


async def test_a_response_that_is_not_streamed_says_the_same():
    body = json.dumps(json.loads(RESPONSE.rsplit(b"data: ", 1)[1])["response"]).encode()
    with ReplayServer(body, content_type="application/json") as server:
        deltas = await answer(openai(server.url, api="responses"), stream=False)
        (request,) = server.requests

    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == "Hello you"
    assert deltas[-2:] == [Usage(3, 2), Finish("stop", "completed")]
    assert request.json["stream"] is False


async def test_a_response_that_is_refused_is_the_same_error_without_the_key():
    body = b'{"error":{"message":"Incorrect API key provided: %s","code":"invalid_api_key"}}' % KEY.encode()
    reply = ReplayServer(body, status=401, content_type="application/json")
    with reply as server, pytest.raises(AuthenticationFailed) as caught:
        await answer(openai(server.url, api="responses"))

    assert KEY not in str(caught.value)


async def test_what_a_model_left_with_its_answer_goes_back_to_it():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"}
    done = json.dumps({"type": "response.output_item.done", "output_index": 0, "item": thought}).encode()
    with ReplayServer(b"data: " + done + b"\n\n" + RESPONSE) as server:
        asked = openai(server.url, api="responses")
        (state,) = [delta for delta in await answer(asked) if isinstance(delta, State)]
        kept = {"type": "reasoning", "text": "", "state": [{"by": asked.label, "data": state.data}]}
        said = {"role": "assistant", "parts": [kept, {"type": "text", "text": "Hello you"}]}
        async for _ in asked.astream([*HI, said, *HI]):
            pass
        (_, request) = server.requests

    assert request.json["input"][1:3] == [thought, {"role": "assistant", "content": "Hello you"}]


async def test_an_answer_that_is_not_streamed_says_the_same():
    body = (
        b'{"id":"r1","model":"m1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello you"},'
        b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
    )
    with ReplayServer(body, content_type="application/json") as server:
        deltas = await answer(openai(server.url), stream=False)
        (request,) = server.requests

    assert deltas == [Served("m1", "r1"), Text("Hello you"), Usage(3, 2), Finish("stop", "stop")]
    assert request.json["stream"] is False


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"message":"too many","code":"rate_limit_exceeded"}}', RateLimited),
        (b'{"choices":[{"message":{"content":"half"}}]}', Truncated),
        (b"[]", ProtocolError),
        (b"hello", ProtocolError),
    ],
)
async def test_a_whole_answer_that_is_none_is_an_error(body, error):
    with ReplayServer(body, content_type="application/json") as server, pytest.raises(error):
        await answer(openai(server.url), stream=False)


@pytest.mark.parametrize(
    "options",
    [
        {"temprature": 1},
        {"temperature": "hot"},
        {"extra": "x"},
        {"api": "soap"},
        {"reasoning": {"summary": "auto"}},
        {"reasoning": {"effort": 7}},
    ],
)
async def test_options_that_cannot_be_asked_for_are_refused_before_the_request(options):
    with ReplayServer(HELLO) as server, pytest.raises(BadRequest):
        await answer(openai(server.url), **options)

    assert server.requests == []


async def test_organization_project_and_headers_are_sent():
    with ReplayServer(HELLO) as server:
        await answer(openai(server.url, organization="org-1", project="proj-1", headers={"X-Title": "Site"}))
        (request,) = server.requests

    sent = [request.headers[name] for name in ("openai-organization", "openai-project", "x-title")]
    assert sent == ["org-1", "proj-1", "Site"]


@pytest.mark.parametrize(
    "config",
    [
        {"base_url": "api.openai.com/v1", "api_key": "secret"},
        {"base_url": "ftp://host/v1"},
        {"base_url": "https://host/v1?key=x"},
        {"base_url": "https://user:secret@host/v1"},
        {"base_url": "https://host:99999/v1"},
        {"base_url": f"https://{'a' * 64}.com"},
        {"base_url": 7},
        {"timeouts": {"idle": "long"}},
        {"headers": ["x"]},
        {"headers": {"x": "a\nb"}},
    ],
)
def test_a_config_that_cannot_work_is_refused_at_once(config):
    with pytest.raises(ValueError, match=r"base_url|Port|label|header|timeout") as caught:
        OpenAI("openai", config=config)

    assert "secret" not in str(caught.value)


async def test_an_unknown_option_is_refused_before_the_request():
    with ReplayServer(HELLO) as server:
        with pytest.raises(BadRequest, match="colour"):
            await answer(openai(server.url), colour="blue")

        assert server.requests == []
