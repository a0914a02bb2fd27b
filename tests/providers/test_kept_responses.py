"""What a model leaves with an answer over Responses is stored, and goes back to it with the next prompt."""

import json

import pytest

from converse_stream.testing import Follower, ReplayServer
from tests.providers.codecs.test_responses import call, ended, item, says, stream, thinks, thoughts

pytestmark = pytest.mark.django_db(transaction=True)
THOUGHT = thoughts("Hm", id="rs_1", encrypted_content="opaque-5d1c")
LATER = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "opaque-9e0a"}
ANSWER = stream(
    thinks("Hm"),
    item("done", 0, **THOUGHT),
    says("Let me see.", 1),
    item("done", 1, type="message", phase="commentary", content=[]),
    item("done", 2, **call(1, '{"a":1}')),
    item("done", 3, **LATER),
    item("done", 4, **call(2, "{}")),
    ended(),
)


@pytest.fixture
def asked(conversation, settings):
    """Ask one model twice, then another; return the first answer and the requests."""
    with ReplayServer(ANSWER) as server:
        settings.CONVERSE_STREAM = {"PROVIDERS": {"openai": {"base_url": server.url, "api": "responses"}}}
        first = conversation.ask("Sure?", model="openai:m").wait(60)
        conversation.ask("Really?", model="openai:m").wait(60)
        conversation.ask("And you?", model="openai:other").wait(60)
        return first, [request.json["input"] for request in server.requests]


def test_an_answer_is_sent_back_item_by_item_as_it_came(asked):
    _, (_, again, _) = asked

    own = [each for each in again[1:-1] if each.get("type") != "function_call_output"]
    assert own == [
        THOUGHT,
        {"role": "assistant", "content": "Let me see.", "phase": "commentary"},
        {"type": "function_call", "call_id": "c1", "name": "f1", "arguments": '{"a":1}'},
        LATER,
        {"type": "function_call", "call_id": "c2", "name": "f2", "arguments": "{}"},
    ]


def test_another_model_gets_none_of_it(asked):
    _, (_, _, other) = asked

    assert "opaque" not in json.dumps(other)
    assert "phase" not in json.dumps(other)
    assert [each["call_id"] for each in other if each.get("type") == "function_call"][:2] == ["c1", "c2"]


def test_no_viewer_sees_any_of_it(asked):
    first, _ = asked

    follower = Follower().read(first.stream_response())

    assert "opaque" not in json.dumps([first.to_dict(), follower.message])
    assert [part["type"] for part in follower.message["parts"]] == ["reasoning", "text", "tool_call", "tool_call"]
