import pytest

from converse_stream.models import Conversation
from converse_stream.models.history import INTERRUPTED
from converse_stream.testing import ScriptedProvider

pytestmark = pytest.mark.django_db(transaction=True)


def told(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in conversation.history()]


def test_the_system_prompt_comes_first(conversation: Conversation) -> None:
    conversation.system_prompt = "Be brief."
    conversation.add_user_message("hi")

    assert told(conversation) == [("system", "Be brief."), ("user", "hi")]


def test_a_failed_answer_is_not_told(conversation: Conversation) -> None:
    """Seeds: T-12, A-06."""
    conversation.add_user_message("one")
    with pytest.raises(ZeroDivisionError), conversation.start_stream() as stream:
        stream.append("half")
        raise ZeroDivisionError
    conversation.add_user_message("two")

    assert told(conversation) == [("user", "one"), ("user", "two")]


def test_a_stopped_answer_is_told_if_it_said_something(conversation: Conversation) -> None:
    conversation.add_user_message("one")
    conversation.start_stream().append("half an answer").cancel()
    conversation.add_user_message("two")
    conversation.start_stream().cancel()
    conversation.add_user_message("three")

    assert told(conversation) == [("user", "one"), ("assistant", "half an answer"), ("user", "two"), ("user", "three")]


def test_of_a_failed_answer_finished_tool_calls_are_told(conversation: Conversation) -> None:
    conversation.add_user_message("book it")
    with pytest.raises(ZeroDivisionError), conversation.start_stream() as stream:
        stream.append("I will").tool_call("1", "book", {"seat": 3}).tool_result("1", "book", "booked")
        stream.tool_call("2", "pay", {})
        raise ZeroDivisionError
    conversation.add_user_message("and?")

    _asked, answer, _and = conversation.history()

    assert [(part["type"], part["id"]) for part in answer.parts] == [("tool_call", "1"), ("tool_result", "1")]


def test_a_dangling_call_gets_a_result(conversation: Conversation) -> None:
    """Seeds: A-07."""
    conversation.add_user_message("book it")
    with conversation.start_stream() as stream:
        stream.tool_call("1", "book", {})

    call, result = conversation.history()[-1].parts

    assert call["type"] == "tool_call"
    assert result == {"type": "tool_result", "id": "1", "name": "book", "result": INTERRUPTED, "is_error": True}


def test_calls_made_at_once_stay_together_before_their_results(conversation: Conversation) -> None:
    conversation.add_user_message("book it")
    with conversation.start_stream() as stream:
        stream.tool_call("1", "book", {}).tool_call("2", "book", {}).tool_call("3", "book", {})
        stream.tool_result("2", "book", "booked").append("Well").tool_call("4", "pay", {})

    parts = conversation.history()[-1].parts

    assert [part.get("id") for part in parts] == ["1", "2", "3", "1", "3", "2", None, "4", "4"]
    assert [part["type"] for part in parts[3:6]] == ["tool_result"] * 3


def test_a_branch_is_told_without_its_siblings(conversation: Conversation) -> None:
    question = conversation.add_user_message("question")
    conversation.add_assistant_message("first answer")
    conversation.add_message("assistant", "second answer", parent=question)

    assert told(conversation) == [("user", "question"), ("assistant", "second answer")]


def test_what_is_kept_beside_a_message_is_told_to_no_model(conversation):
    """Seeds: C-20."""
    kept = {"cache_control": {"type": "ephemeral"}, "provider_options": {"cache_type": "ephemeral"}}
    conversation.add_user_message("Hi", metadata=kept)
    conversation.add_assistant_message("Hello", metadata=kept)
    provider = ScriptedProvider(["Fine"])

    conversation.ask("How are you?", model=provider, metadata=kept).wait(60)
    conversation.ask("And now?", model=provider).wait(60)

    assert [message.text for message in provider.prompts[-1].messages] == [
        "Hi",
        "Hello",
        "How are you?",
        "Fine",
        "And now?",
    ]
    assert "ephemeral" not in repr(provider.prompts)
