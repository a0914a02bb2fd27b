"""What `complete()` reads from libraries' responses, in their shapes, and what a source says of its ending."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from converse_stream.models import Conversation, Status
from converse_stream.outcome import Outcome, read_outcome, read_usage

CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"}
SAID: dict[str, Any] = {
    "type": "message",
    "id": "m1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
}
REFUSED = {**SAID, "content": [{"type": "refusal", "refusal": "No."}]}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1.0,
    "model": "gpt-x",
    "status": "completed",
    "incomplete_details": None,
    "output": [SAID],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 15,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 35,
    },
}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-x",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 15, "total_tokens": 35},
}
ANTHROPIC: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Hi", "citations": None}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 15,
        "server_tool_use": None,
    },
}


FUNCTION = {"name": "look", "arguments": "{}"}


def incomplete(reason: str) -> dict[str, Any]:
    return {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": reason}}


def completion(**message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, **message}
    return {**COMPLETION, "choices": [{"index": 0, "finish_reason": "stop", "message": said}]}


def as_object(value: Any) -> Any:
    """Return the JSON with attributes in place of keys, as the libraries' own classes have it."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(item) for key, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


ENDINGS = [
    (RESPONSE, "stop", "completed"),
    (incomplete("max_output_tokens"), "length", "incomplete:max_output_tokens"),
    (incomplete("content_filter"), "content_filter", "incomplete:content_filter"),
    (incomplete("new word"), "length", "incomplete:new word"),
    ({**RESPONSE, "status": "incomplete"}, "length", "incomplete"),
    ({**RESPONSE, "output": [SAID, CALL]}, "tool_calls", "completed"),
    ({**RESPONSE, "output": [REFUSED]}, "content_filter", "completed"),
    (COMPLETION, "stop", "stop"),
    (completion(tool_calls=[{"id": "c1", "type": "function", "function": FUNCTION}]), "tool_calls", "stop"),
    (completion(refusal="No."), "content_filter", "stop"),
    (ANTHROPIC, "stop", "end_turn"),
    ({**ANTHROPIC, "stop_reason": "refusal"}, "content_filter", "refusal"),
    ({**ANTHROPIC, "stop_reason": "tool_use"}, "tool_calls", "tool_use"),
]


@pytest.mark.parametrize("form", [dict, as_object])
@pytest.mark.parametrize(("response", "reason", "raw"), ENDINGS)
def test_a_response_tells_how_the_answer_ended(form, response: dict[str, Any], reason: str, raw: str) -> None:
    """Seeds: C-07."""
    outcome = read_outcome(form(response))

    assert (outcome.finish_reason, outcome.finish_reason_raw) == (reason, raw)


@pytest.mark.parametrize(("response", "reason", "raw"), [case for case in ENDINGS if "object" in case[0]])
def test_the_objects_of_openais_library_tell_the_same(response: dict[str, Any], reason: str, raw: str) -> None:
    pytest.importorskip("openai")
    is_response = response["object"] == "response"
    module, name = ("responses", "Response") if is_response else ("chat", "ChatCompletion")
    parsed = getattr(import_module(f"openai.types.{module}"), name).construct(**response)
    parsed._request_id = "req_1"

    outcome = read_outcome(parsed)

    assert (outcome.finish_reason, outcome.finish_reason_raw, outcome.request_id) == (reason, raw, "req_1")
    assert (outcome.model, outcome.input_tokens, outcome.output_tokens) == ("gpt-x", 20, 15)
    assert read_outcome(parsed.model_dump()).request_id == response["id"]
    assert read_outcome(parsed.model_dump()).finish_reason == reason


@pytest.mark.parametrize("response", [RESPONSE, COMPLETION, ANTHROPIC])
def test_the_request_id_is_the_providers_own_and_else_the_id_of_the_answer(response: dict[str, Any]) -> None:
    parsed = as_object(response)
    assert read_outcome(parsed).request_id == response["id"]

    parsed._request_id = "req_1"

    assert read_outcome(parsed).request_id == "req_1"


@pytest.mark.parametrize("form", [dict, as_object])
def test_the_prompt_is_counted_whole_whatever_came_from_the_cache(form) -> None:
    anthropic, openai = read_outcome(form(ANTHROPIC)), read_outcome(form(RESPONSE))

    assert (anthropic.input_tokens, anthropic.cached_tokens, anthropic.output_tokens) == (112, 100, 15)
    assert (openai.input_tokens, openai.cached_tokens, openai.reasoning_tokens) == (20, 5, 0)


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ({"input_tokens": 5}, (5, None)),
        ({"input_tokens": 5, "cache_read_input_tokens": None, "cache_creation_input_tokens": 7}, (12, None)),
        ({"input_tokens": 5, "cache_read_input_tokens": 0}, (5, 0)),
        ({"input_tokens": 5, "cached_tokens": 3}, (5, 3)),
        ({"prompt_tokens": 107, "cache_read_input_tokens": 100}, (107, 100)),
        ({"input_tokens": "many", "cache_read_input_tokens": 100}, (None, 100)),
        ({"input_tokens": 5, "cache_read_input_tokens": "many"}, (5, None)),
    ],
)
def test_usage_is_read_for_what_it_says(told: dict[str, Any], counted: tuple[int | None, int | None]) -> None:
    outcome = Outcome().updated(read_usage(told))

    assert (outcome.input_tokens, outcome.cached_tokens) == counted


LONG = "a word of more than sixteen characters"
SAYINGS = [
    ({"reason": "banana"}, "stop", "banana"),
    ({"reason": "STOP"}, "stop", "STOP"),
    ({"reason": "max_tokens"}, "length", "max_tokens"),
    ({"reason": LONG}, "stop", LONG),
    ({"reason": "banana", "raw": "BANANA"}, "stop", "BANANA"),
    ({"reason": "length"}, "length", ""),
    ({"reason": "cancelled"}, "stop", "cancelled"),
    ({"reason": 7}, "stop", ""),
    ({"reason": None}, "stop", ""),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("finish", "reason", "raw"), SAYINGS)
def test_a_source_may_end_in_its_own_words(conversation: Conversation, finish: dict[str, Any], reason, raw) -> None:
    message = conversation.ask("go", source=["fine", {"type": "finish", **finish}]).wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, "fine")
    assert (message.finish_reason, message.finish_reason_raw) == (reason, raw)


@pytest.mark.django_db(transaction=True)
def test_a_source_that_ends_with_a_word_for_an_error_fails(conversation: Conversation) -> None:
    message = conversation.ask("go", source=["half", {"type": "finish", "reason": "FAILED"}]).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "server", "half")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [{"finish_reason": "cancelled"}, {"response": {"finish_reason": "cancelled"}}])
def test_a_complete_message_is_not_cancelled(conversation: Conversation, known: dict[str, Any]) -> None:
    message = conversation.start_stream().complete(**known)

    assert (message.finish_reason, message.finish_reason_raw) == ("stop", "cancelled")
