"""The main job on real input: a recorded provider over a real socket, into the row, and out to every viewer."""

import json
from typing import Any

import pytest

from converse_stream import registry
from converse_stream.exceptions import BY_CODE
from converse_stream.models import Attempt, Conversation, Message, Status
from converse_stream.testing import Follower, ReplayServer
from tests.recordings import Recording, recordings
from tests.waiting import finished_attempt

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-canary-0123456789"
APIS = {
    "chat_completions": "chat",
    "responses": "responses",
    "messages": None,
    "generate_content": None,
    "ollama_chat": None,
}
"""Our name for each API that a sidecar tells of; None for the provider's own."""


@pytest.fixture
def provider(settings: Any):
    def point_at(server: ReplayServer, name: str = "openai", api: str | None = "chat") -> None:
        entry = {"api_key": KEY, "base_url": server.url, **({"api": api} if api else {})}
        settings.CONVERSE_STREAM = {"PROVIDERS": {name: entry}, "RETRIES": 0}

    return point_at


def every(*, streams: bool) -> list[Any]:
    """Return the recordings of all the providers there are."""
    found = [recording for api in APIS for recording in recordings(streams=streams, api=api)]
    return found if streams else recordings(streams=False)


def name_of(recording: Recording) -> str:
    return recording.path.parent.name


def input_tokens(recording: Recording) -> int | None:
    """Return the tokens of the whole prompt: Anthropic counts those from its cache apart."""
    counted: int | None = recording.expected["input_tokens"]
    if name_of(recording) == "anthropic" and counted is not None:
        counted += recording.expected["cached_tokens"] or 0
    return counted


def test_every_recorded_provider_is_one_of_ours() -> None:
    recorded = {name_of(each.values[0]) for each in every(streams=True) if each.values[0]}

    assert recorded <= set(registry.BUILT_IN)


@pytest.mark.parametrize("recording", every(streams=True))
def test_a_recorded_answer_arrives_character_for_character(
    recording: Recording, conversation: Conversation, provider: Any
) -> None:
    """Seeds: A-19."""
    expected = recording.expected
    with ReplayServer(recording.path) as server:
        provider(server, name_of(recording), APIS[recording.sidecar["api"]])
        message = conversation.ask("Tell me.", model=f"{name_of(recording)}:asked-for")
        follower = Follower().read(message.stream_response())
    message.refresh_from_db()
    attempt = finished_attempt(message)

    text = expected["text"] + (expected["refusal"] or "")
    assert (follower.text, message.content) == (text, text)
    assert (follower.reasoning, reasoning_of(message)) == (expected["reasoning"], expected["reasoning"])
    assert follower.message["parts"] == [part for part in map(bare, message.parts) if part.get("text", True)]
    calls = [part for part in message.parts if part["type"] == "tool_call"]
    told = [] if expected["error"] else expected["tool_calls"]
    assert [(call["name"], call["arguments"]) for call in calls] == [(call["name"], call["arguments"]) for call in told]
    assert attempt.provider == message.provider == name_of(recording)
    if expected["error"]:
        assert_failed(message, attempt, expected)
    elif expected["finish_normalised"][0] == "error":
        assert (message.status, message.error_code, attempt.error_code) == (Status.FAILED, "server", "server")
    else:
        assert_complete(message, attempt, recording)


def assert_complete(message: Message, attempt: Attempt, recording: Recording) -> None:
    expected = recording.expected
    assert (message.status, attempt.outcome, message.error_code) == (Status.COMPLETE, "complete", "")
    assert (message.finish_reason_raw or None) == expected["finish_reason"]
    assert message.finish_reason in expected["finish_normalised"]
    models = {expected["model"] or "asked-for", *expected.get("model_accept", [])}
    assert message.model in models
    assert (attempt.model, attempt.served_model or "asked-for") == ("asked-for", message.model)
    tokens = (input_tokens(recording), expected["output_tokens_incl_reasoning"])
    assert (message.input_tokens, message.output_tokens) == tokens
    assert (attempt.input_tokens, attempt.output_tokens) == tokens


def assert_failed(message: Message, attempt: Attempt, expected: dict[str, Any]) -> None:
    assert (message.status, attempt.outcome, message.finish_reason) == (Status.FAILED, "failed", "error")
    assert attempt.error_code == message.error_code != "internal"
    assert BY_CODE[message.error_code].retryable is expected["error"]["retryable"]
    assert message.metadata["error_type"] == "api_error"
    assert (expected["error"]["message_contains"] or "") in message.error_message


def reasoning_of(message: Message) -> str:
    return "".join(part["text"] for part in message.parts if part["type"] == "reasoning")


def bare(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "state"}


@pytest.mark.parametrize("recording", every(streams=False))
def test_an_http_error_ends_the_answer_with_its_code(
    recording: Recording, conversation: Conversation, provider: Any
) -> None:
    """Seeds: T-05."""
    with ReplayServer(recording.path) as server:
        provider(server, name_of(recording), None)
        message = conversation.ask("Tell me.", model=f"{name_of(recording)}:asked-for").wait(60)
    attempt = finished_attempt(message)

    assert len(server.requests) == 1
    assert_failed(message, attempt, recording.expected)
    assert message.public_error()["retryable"] == recording.expected["error"]["retryable"]
    assert message.content == ""


def test_the_request_carries_the_history_and_the_key_appears_nowhere_else(
    conversation: Conversation, provider: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}).encode()
    conversation.system_prompt = "Be brief."
    conversation.save()
    conversation.add_user_message("first")
    conversation.add_assistant_message("answer")
    with ReplayServer(body, status=401, content_type="application/json") as server:
        provider(server)
        message = conversation.ask("second", model="openai:gpt-test").wait(60)

    [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert [(item["role"], item["content"]) for item in request.json["messages"]] == [
        ("system", "Be brief."),
        ("user", "first"),
        ("assistant", "answer"),
        ("user", "second"),
    ]
    rows = [*Message.objects.values(), *Attempt.objects.values(), *Conversation.objects.values()]
    assert (message.status, message.error_code) == (Status.FAILED, "auth")
    assert KEY not in repr(rows) + caplog.text + json.dumps(message.to_dict())


def test_a_body_without_its_ending_is_truncated_and_keeps_the_text(conversation: Conversation, provider: Any) -> None:
    body = b'data: {"choices": [{"index": 0, "delta": {"content": "half an ans"}}]}\n\n'
    with ReplayServer(body) as server:
        provider(server)
        message = conversation.ask("go", model="openai:gpt-test").wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "truncated", "half an ans")
