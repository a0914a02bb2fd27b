"""The main job on real input: a recorded provider over a real socket, into the row, and out to every viewer."""

import json
from typing import Any

import pytest

from converse_stream.models import Attempt, Conversation, Message, Status
from converse_stream.testing import Follower, ReplayServer
from tests.recordings import Recording, recordings
from tests.waiting import finished_attempt

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "sk-canary-0123456789"


@pytest.fixture
def provider(settings: Any):
    def point_at(server: ReplayServer) -> None:
        settings.CONVERSE_STREAM = {"PROVIDERS": {"openai": {"api_key": KEY, "base_url": server.url}}, "RETRIES": 0}

    return point_at


@pytest.mark.parametrize("recording", recordings(streams=True, provider="openai"))
def test_a_recorded_answer_arrives_character_for_character(
    recording: Recording, conversation: Conversation, provider: Any
) -> None:
    expected = recording.expected
    with ReplayServer(recording.path) as server:
        provider(server)
        message = conversation.ask("Tell me.", model="openai:gpt-test")
        follower = Follower().read(message.stream_response())

    message.refresh_from_db()
    text = expected["text"] or expected["refusal"]
    assert (follower.text, message.content) == (text, text)
    assert message.parts == follower.message["parts"]
    is_broken = {"truncated", "midstream_error"} & set(recording.sidecar["tags"])
    assert message.status == (Status.FAILED if is_broken else Status.COMPLETE)
    if not is_broken:
        assert (message.finish_reason_raw or None) == expected["finish_reason"]
        assert message.model == expected["model"]
        assert (message.input_tokens, message.output_tokens) == (expected["input_tokens"], expected["output_tokens"])
    calls = [part for part in message.parts if part["type"] == "tool_call"]
    assert [(call["name"], call["arguments"]) for call in calls] == [
        (call["name"], call["arguments"]) for call in expected["tool_calls"]
    ]


@pytest.mark.parametrize("recording", recordings(streams=False, provider="openai"))
def test_an_http_error_ends_the_answer_with_its_code(
    recording: Recording, conversation: Conversation, provider: Any
) -> None:
    with ReplayServer(recording.path) as server:
        provider(server)
        message = conversation.ask("Tell me.", model="openai:gpt-test").wait(20)

    assert message.status == Status.FAILED
    assert message.error_code not in ("", "internal")
    assert message.public_error()["retryable"] == recording.expected["error"]["retryable"]
    assert finished_attempt(message).error_code == message.error_code


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
        message = conversation.ask("second", model="openai:gpt-test").wait(20)

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
        message = conversation.ask("go", model="openai:gpt-test").wait(20)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "truncated", "half an ans")
