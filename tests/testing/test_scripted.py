"""ScriptedProvider: what is written is what is said."""

import threading

import pytest

from converse_stream.events import Finish, Reasoning, Text, ToolCall, Usage
from converse_stream.exceptions import RateLimited
from converse_stream.testing import ScriptedProvider

HI = [{"role": "user", "content": "hi"}]


def test_texts_deltas_and_mappings_are_said_in_order_and_then_it_ends():
    """Seeds: V-24."""
    call = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {}}

    deltas = list(ScriptedProvider(["a", Reasoning("hm"), call, Usage(1, 2)]).stream(HI))

    assert deltas == [Text("a"), Reasoning("hm"), ToolCall("c1", "f", {}), Usage(1, 2), Finish("stop")]


def test_a_scripted_finish_is_the_only_one():
    assert list(ScriptedProvider(["a", Finish("length", "max")]).stream(HI)) == [Text("a"), Finish("length", "max")]


def test_an_exception_is_raised_in_its_place():
    deltas = ScriptedProvider(["a", RateLimited("slower"), "b"]).stream(HI)

    assert next(deltas) == Text("a")
    with pytest.raises(RateLimited):
        next(deltas)


def test_an_event_holds_the_script_until_it_is_set():
    go = threading.Event()
    deltas = ScriptedProvider(["a", go, "b"]).stream(HI)
    assert next(deltas) == Text("a")

    go.set()

    assert list(deltas) == [Text("b"), Finish("stop")]


async def test_waiting_does_not_block_the_event_loop():
    first, second = threading.Event(), threading.Event()
    one = ScriptedProvider([first, "one"]).astream(HI)
    two = ScriptedProvider(["two"]).astream(HI)

    assert await anext(two) == Text("two")
    first.set()
    assert await anext(one) == Text("one")
    assert not second.is_set()


def test_the_same_script_is_followed_for_each_prompt_and_prompts_are_kept():
    provider = ScriptedProvider(word for word in ["a", "b"])

    answers = [list(provider.stream(HI, seed=seed)) for seed in (1, 2)]

    assert answers[0] == answers[1] == [Text("a"), Text("b"), Finish("stop")]
    assert [prompt.options for prompt in provider.prompts] == [{"seed": 1}, {"seed": 2}]
    assert provider.prompts[0].messages[0].text == "hi"


def test_a_step_that_means_nothing_is_refused_when_it_is_written():
    with pytest.raises(TypeError, match="int"):
        ScriptedProvider(["a", 7])
