"""The provider `ollama`, over real sockets, and where it looks for the server."""

import json
import socket
from typing import Any

import pytest

from converse_stream.events import Finish, Reasoning, Served, Text, ToolCall, Usage
from converse_stream.exceptions import (
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ContextTooLong,
    ModelNotFound,
    ProtocolError,
    ProviderError,
    ServerError,
    Truncated,
)
from converse_stream.providers.ollama import Ollama, host_url
from converse_stream.registry import provider
from converse_stream.testing import ReplayServer
from tests.recordings import recordings

KEY = "ol-canary-0123456789"
HI = ({"role": "user", "content": "hi"},)
LINES: tuple[dict[str, Any], ...] = (
    {"model": "m1", "message": {"role": "assistant", "content": "Hello"}, "done": False},
    {"model": "m1", "message": {"role": "assistant", "content": " you"}, "done": False},
    {
        "model": "m1",
        "message": {"content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 2,
    },
)
HELLO = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
NDJSON = "application/x-ndjson"

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)


def ollama(url: str = "", model: str = "gemma4", **config: Any) -> Ollama:
    return Ollama("ollama", model, config={**config, "base_url": url} if url else config)


def address(asked: Ollama) -> str:
    return asked.request(asked.prompt(HI))[0]


async def answer(asked: Ollama, **options: Any) -> list[Any]:
    return [delta async for delta in asked.astream(HI, **options)]


def joined(deltas: list[Any], kind: type) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


async def test_an_answer_arrives_with_everything_that_belongs_to_it():
    with ReplayServer(HELLO, content_type=NDJSON) as server:
        deltas = await answer(ollama(server.url), temperature=0.5, max_tokens=9, reasoning=False)
        (request,) = server.requests

    assert deltas == [Served("m1"), Text("Hello"), Text(" you"), Usage(3, 2), Finish("stop", "stop")]
    assert request.path == "/api/chat"
    assert "authorization" not in request.headers
    assert request.json == {
        "model": "gemma4",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "options": {"temperature": 0.5, "num_predict": 9},
        "think": False,
    }


@pytest.mark.parametrize("recording", recordings(streams=True, provider="ollama", api="ollama_chat"))
@pytest.mark.parametrize("pieces", [1, 7, 8192])
async def test_a_recorded_answer_says_the_same_over_a_socket(recording, pieces):
    said, failed = [], False
    with ReplayServer(recording.path, pieces=pieces) as server:
        try:
            async for delta in ollama(server.url).astream(HI):
                said.append(delta)
        except ServerError:
            failed = True

    assert joined(said, Text) == recording.expected["text"]
    assert joined(said, Reasoning) == recording.expected["reasoning"]
    assert failed is bool(recording.expected["error"])


@pytest.mark.parametrize("recording", recordings(streams=True, provider="ollama"))
async def test_a_recorded_answer_over_chat_completions_says_what_it_said(recording):
    with ReplayServer(recording.path) as server:
        said = await answer(ollama(server.url, api="chat"))
        (request,) = server.requests

    assert request.path == "/v1/chat/completions"
    assert joined(said, Text) == recording.expected["text"]
    assert joined(said, Reasoning) == recording.expected["reasoning"]
    found = [(call.name, call.arguments) for call in said if isinstance(call, ToolCall)]
    assert found == [(call["name"], call["arguments"]) for call in recording.expected["tool_calls"]]


async def test_an_answer_that_is_not_streamed_says_the_same():
    body = json.dumps({**LINES[-1], "message": {"content": "Hello you"}}).encode()
    with ReplayServer(body, content_type="application/json") as server:
        deltas = await answer(ollama(server.url), stream=False)
        (request,) = server.requests

    assert deltas == [Served("m1"), Text("Hello you"), Usage(3, 2), Finish("stop", "stop")]
    assert request.json["stream"] is False


async def test_a_key_is_sent_where_there_is_one():
    with ReplayServer(HELLO, content_type=NDJSON) as server:
        await answer(ollama(server.url, api_key=KEY))
        (request,) = server.requests

    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_only_the_cloud_needs_a_key():
    assert not await ollama().key()
    with pytest.raises(AuthenticationFailed, match="OLLAMA_API_KEY"):
        await ollama("https://ollama.com").key()


async def test_the_cloud_finds_its_key_in_the_environment(monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)

    assert (await ollama("https://ollama.com").key()).reveal() == KEY


async def test_a_server_that_is_not_running_is_asked_after():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(ConnectionFailed) as caught:
            await answer(ollama(url))

    assert str(caught.value).endswith(f"is Ollama running at {url}?")


@pytest.mark.parametrize("recording", recordings(streams=False, provider="ollama"))
@pytest.mark.parametrize("api", ["ollama", "chat"])
async def test_a_recorded_refusal_keeps_its_message_over_a_socket(recording, api):
    with ReplayServer(recording.path) as server, pytest.raises(ProviderError) as caught:
        await answer(ollama(server.url, api=api))

    assert recording.expected["error"]["message_contains"] in str(caught.value)
    assert caught.value.status == recording.sidecar["http_status"]


async def test_a_model_that_is_not_there_can_be_fetched():
    with ReplayServer(b'{"error":"model \'gemma4\' not found"}', status=404) as server:
        with pytest.raises(ModelNotFound) as caught:
            await answer(ollama(server.url))

        assert str(caught.value) == "HTTP 404: model 'gemma4' not found; fetch it with `ollama pull`"


async def test_a_server_that_is_not_ollama_is_doubted():
    with ReplayServer(b"404 page not found", status=404, content_type="text/plain") as server:
        with pytest.raises(ModelNotFound) as caught:
            await answer(ollama(server.url))

        assert str(caught.value).endswith(f"is {server.url.removesuffix('/v1')} Ollama's address?")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error":"registry.ollama.ai/library/gemma:2b does not support tools"}', BadRequest),
        (400, b'{"error":{"message":"prompt too long; exceeded max context length by 3 tokens"}}', ContextTooLong),
        (401, b'{"error":"unauthorized"}', AuthenticationFailed),
        (500, b'{"error":"llama runner process has terminated"}', ServerError),
    ],
)
async def test_a_refusal_has_its_kind(status, body, error):
    with ReplayServer(body, status=status, content_type="application/json") as server, pytest.raises(error):
        await answer(ollama(server.url))


@pytest.mark.parametrize(
    ("body", "error"),
    [(b'{"error":"CUDA error"}\n', ServerError), (HELLO[:90], Truncated), (b"<html>\n", ProtocolError)],
)
async def test_what_goes_wrong_in_the_middle_of_an_answer_is_an_error(body, error):
    with ReplayServer(body, content_type=NDJSON) as server, pytest.raises(error):
        await answer(ollama(server.url))


async def test_the_choice_of_a_tool_is_refused_with_the_format_that_takes_it():
    with ReplayServer(HELLO) as server, pytest.raises(BadRequest, match="with api='chat' it does"):
        await answer(ollama(server.url), tool_choice="required")

    assert server.requests == []


async def test_a_model_has_to_be_named():
    with pytest.raises(BadRequest, match="no model is named"):
        await answer(ollama(model=""))


def test_it_is_known_by_name():
    assert isinstance(provider("ollama:gpt-oss:20b"), Ollama)
    assert provider("ollama:gpt-oss:20b").model == "gpt-oss:20b"


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("", "http://localhost:11434"),
        ("gpu", "http://gpu:11434"),
        ("gpu:8080", "http://gpu:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("http://gpu", "http://gpu"),
        ("https://gpu.example/ollama/", "https://gpu.example/ollama"),
        ('"gpu" ', "http://gpu:11434"),
    ],
)
def test_the_environment_says_where_it_is_as_to_ollama_itself(variable, url, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", variable)

    assert address(ollama()) == f"{url}/api/chat"


@pytest.mark.parametrize("variable", ["gpu:port", "ftp://gpu", "user:secret@gpu", "http://gpu?x=y", "[gpu"])
def test_a_variable_that_holds_no_address_is_refused_without_showing_it(variable):
    with pytest.raises(ValueError, match="OLLAMA_HOST") as caught:
        host_url(variable)

    assert variable not in str(caught.value)


def test_the_config_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "gpu")

    assert address(ollama("http://other:11434")) == "http://other:11434/api/chat"


def test_an_address_meant_for_chat_completions_is_good_for_both_formats():
    url = "http://localhost:11434/v1/"

    assert address(ollama(url)) == "http://localhost:11434/api/chat"
    assert address(ollama(url, api="chat")) == "http://localhost:11434/v1/chat/completions"
