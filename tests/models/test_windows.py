"""Windows: how much of a conversation a model is told."""

import pytest

from converse_stream.events import ToolCall, ToolResult
from converse_stream.models import Conversation
from converse_stream.prompts import PromptMessage
from converse_stream.testing import ScriptedProvider
from converse_stream.windows import PER_MESSAGE, Window, estimate

pytestmark = pytest.mark.django_db(transaction=True)


def texts(prompt) -> list[str]:
    return [message.text for message in prompt]


@pytest.fixture
def long(conversation: Conversation) -> Conversation:
    conversation.system_prompt = "Rules."
    for number in range(4):
        conversation.add_messages(f"question {number}", {"role": "assistant", "content": f"answer {number}"})
    return conversation


def test_the_newest_messages_and_the_system_prompt_are_told(long):
    """Seeds: V-16, V-27"""
    assert texts(long.window(messages=4)) == ["Rules.", "question 2", "answer 2", "question 3", "answer 3"]


def test_a_window_begins_with_a_question(long):
    """Seeds: V-27"""
    assert texts(long.window(messages=3)) == ["Rules.", "question 3", "answer 3"]


def test_system_messages_are_told_wherever_they_stand(long):
    """Seeds: V-27"""
    long.add_messages({"role": "system", "content": "More rules."}, "last question")

    assert texts(long.window(messages=1)) == ["Rules.", "More rules.", "last question"]


def test_tokens_are_counted_with_the_system_prompt(long):
    """Seeds: V-27"""
    whole = sum(map(estimate, long.history()))
    pair = sum(map(estimate, long.history()[-2:]))

    assert texts(long.window(tokens=whole)) == texts(long.history())
    assert texts(long.window(tokens=whole - 1))[:2] == ["Rules.", "question 1"]
    assert texts(long.window(tokens=estimate(long.history()[0]) + pair)) == ["Rules.", "question 3", "answer 3"]


@pytest.mark.parametrize("limits", [{"tokens": 1}, {"messages": 1}, {"messages": 1, "tokens": 1}])
def test_the_newest_message_is_always_told(conversation, limits):
    """Seeds: V-27"""
    conversation.add_messages("first", "x" * 1000)

    assert texts(conversation.window(**limits)) == ["x" * 1000]


@pytest.mark.parametrize("count", range(1, 8))
def test_a_call_and_its_result_are_never_parted(conversation, count):
    """Seeds: V-27, V-16"""
    conversation.add_messages(
        "Weather?",
        ToolCall("1", "weather", {"city": "Oslo"}),
        ToolResult("1", "weather", "cold"),
        {"role": "assistant", "content": "Cold."},
        "And Bergen?",
        ToolCall("2", "weather", {"city": "Bergen"}),
        ToolResult("2", "weather", "wet"),
    )

    for window in (Window(messages=count), Window(tokens=count * 12)):
        parts = [part for message in conversation.history(window=window) for part in message.parts]
        calls = [part["id"] for part in parts if part["type"] == "tool_call"]
        assert calls == [part["id"] for part in parts if part["type"] == "tool_result"]
        assert calls[-1:] == ["2"]


def test_a_window_is_asked_for_with_the_question(long):
    """Seeds: V-16, C-19"""
    model = ScriptedProvider(["Sure."])

    long.prompt("And now?").using(model).with_window(messages=3).text()
    long.ask("And then?", model=model, window=Window(messages=1)).wait(60)

    assert texts(model.prompts[0].messages) == ["Rules.", "question 3", "answer 3", "And now?"]
    assert texts(model.prompts[1].messages) == ["Rules.", "And then?"]


def test_the_context_of_the_model_is_the_window_by_default(conversation):
    """Seeds: V-27"""
    model = ScriptedProvider(["Sure."], "groq", "openai/gpt-oss-120b")
    context = 131_072
    with_room = context - context // 8
    conversation.add_messages(*["a" * 90_000] * 6)

    conversation.ask("And now?", model=model).wait(60)

    told = model.prompts[0].messages
    assert len(told) < 7
    assert sum(map(estimate, told)) <= with_room < sum(map(estimate, told)) + estimate(conversation.history()[0])


def test_a_model_of_unknown_size_is_told_everything(conversation):
    model = ScriptedProvider(["Sure."])
    conversation.add_messages(*["a" * 90_000] * 5)

    conversation.ask("And now?", model=model).wait(60)

    assert len(model.prompts[0].messages) == 6


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("привет", 3), ("日本語", 3), ("😀", 1), ("\ud800", 1)]
)
def test_a_token_is_four_bytes(text, tokens):
    assert estimate(PromptMessage("user", [{"type": "text", "text": text}])) == PER_MESSAGE + tokens


@pytest.mark.parametrize("limits", [{"messages": 0}, {"messages": -1}, {"tokens": 1.5}, {"tokens": True}])
def test_a_window_shows_something(limits):
    with pytest.raises(ValueError, match="window"):
        Window(**limits)
