"""A provider's opaque state: kept with the parts it belongs to, sent back to who made it, shown to nobody."""

import json
from typing import Any

import pytest

from converse_stream.events import Reasoning, State, Text, ToolCall
from converse_stream.models import Conversation
from converse_stream.registry import provider
from converse_stream.state import attach
from converse_stream.testing import Follower, ScriptedProvider

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "opaque-7f3a"


def text(value: str, kind: str = "text") -> dict[str, Any]:
    return {"type": kind, "text": value}


def asked(provider_: ScriptedProvider) -> list[list[dict[str, Any]]]:
    return [[dict(part) for part in message.parts] for message in provider_.prompts[-1].messages]


def test_state_is_stored_with_its_part_and_reaches_no_viewer(conversation: Conversation) -> None:
    script = [
        State("reasoning", {"redacted": SECRET}),
        Reasoning("Hm."),
        State("reasoning", {"signature": SECRET}),
        Text("Yes."),
        ToolCall("c1", "look", {}),
        State("tool_call", SECRET),
    ]
    message = conversation.ask("?", model=ScriptedProvider(script, name="a", model="m"))
    follower = Follower().read(message.stream_response())
    message.refresh_from_db()

    kept = [[state["data"] for state in part.get("state", [])] for part in message.parts]
    assert kept == [[{"redacted": SECRET}], [{"signature": SECRET}], [], [SECRET]]
    assert [part["type"] for part in message.parts] == ["reasoning", "reasoning", "text", "tool_call"]
    assert SECRET not in json.dumps([message.to_dict(), follower.message])
    assert [part["type"] for part in follower.message["parts"]] == ["reasoning", "text", "tool_call"]


def test_the_next_prompt_holds_the_state_of_its_own_model_only(conversation: Conversation) -> None:
    mine = ScriptedProvider(
        [Reasoning("Hm."), State("reasoning", {"s": 1}), State("text", {"e": 2}), Text("Yes.")], name="a"
    )
    conversation.ask("?", model=mine).wait(60)
    other = ScriptedProvider(["No."], name="b")
    conversation.ask("?", model=other).wait(60)
    conversation.ask("?", model=mine).wait(60)

    answer = asked(mine)[1]
    assert answer == [
        {**text("Hm.", "reasoning"), "state": [{"s": 1}]},
        {**text(""), "state": [{"e": 2}]},
        text("Yes."),
    ]
    assert asked(other)[1] == [text("Hm.", "reasoning"), text("Yes.")]


@pytest.mark.parametrize(
    ("parts", "states", "expected"),
    [
        ([text("ab")], [(2, "text", 1)], [{**text("ab"), "state": [1]}]),
        ([text("ab")], [(1, "text", 1), (2, "text", 2)], [{**text("ab"), "state": [1, 2]}]),
        ([text("ab")], [(0, "text", 1)], [{**text(""), "state": [1]}, text("ab")]),
        ([], [(0, "reasoning", 1), (0, "reasoning", 2)], [{**text("", "reasoning"), "state": [1, 2]}]),
        (
            [text("ab"), text("cd", "reasoning")],
            [(2, "reasoning", 1), (4, "reasoning", 2)],
            [text("ab"), {**text("", "reasoning"), "state": [1]}, {**text("cd", "reasoning"), "state": [2]}],
        ),
        (
            [text("ab", "reasoning"), text("cd")],
            [(3, "reasoning", 1)],
            [text("ab", "reasoning"), {**text("", "reasoning"), "state": [1]}, text("cd")],
        ),
    ],
)
def test_a_state_belongs_to_the_part_that_was_written_last(
    parts: list[dict[str, Any]], states: list[tuple[int, str, Any]], expected: list[dict[str, Any]]
) -> None:
    assert attach(parts, states) == expected


def test_a_prompt_built_by_hand_may_hold_state(settings: Any) -> None:
    settings.CONVERSE_STREAM = {"PROVIDERS": {"a": ScriptedProvider([], name="a", model="m")}}
    parts = [{**text("x"), "state": [{"by": "a:m", "data": 1}, {"by": "a:n", "data": 2}]}]

    [message] = provider("a").prompt([{"role": "assistant", "parts": parts}]).messages

    assert list(message.parts) == [{**text("x"), "state": [1]}]
