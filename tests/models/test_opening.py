import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from converse_stream.exceptions import (
    ContentTooLong,
    ConversationBusy,
    InvalidContent,
    NothingToAnswer,
    ReservedMetadata,
    UnknownModel,
)
from converse_stream.models import Conversation, Message, Role, Status

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = [
    "emoji 😀 and a family 👨‍👩‍👧",
    "right to left: \u202eabc\u202c שלום",
    "line\u2028separator\u2029\u0085",
    "data: [DONE]\n\nevent: x\ndata: y",
    "\r\n\r\n",
    "<script>alert(1)</script>",
    "0",
]


@pytest.mark.parametrize("text", [f"x{text}" for text in HOSTILE])
def test_a_message_is_read_back_exactly(conversation: Conversation, text: str) -> None:
    """Seeds: V-06, V-08, V-09."""
    message = conversation.add_user_message(text)

    assert Message.objects.get(pk=message.pk).content == text


@pytest.mark.parametrize("content", ["", "   \n", None, 3])
def test_empty_content_is_refused_and_nothing_is_written(conversation: Conversation, content: object) -> None:
    with pytest.raises(InvalidContent):
        conversation.add_message("user", content)  # type: ignore[arg-type]

    conversation.refresh_from_db()
    assert (conversation.last_number, Message.objects.count()) == (0, 0)


def test_content_over_the_limit_is_refused(conversation: Conversation, settings) -> None:
    """Seeds: F-13."""
    settings.CONVERSE_STREAM = {"MAX_PROMPT_CHARS": 10}

    with pytest.raises(ContentTooLong, match="MAX_PROMPT_CHARS is 10"):
        conversation.ask("x" * 11)

    assert not Message.objects.exists()


def test_an_unknown_role_is_refused(conversation: Conversation) -> None:
    """Seeds: V-06."""
    with pytest.raises(InvalidContent, match="role must be one of"):
        conversation.add_message("boss", "hi")


@pytest.mark.parametrize("key", ["chunks", "stream_duration", "error", "tokens"])
def test_reserved_metadata_is_refused_before_anything_is_written(conversation: Conversation, key: str) -> None:
    with pytest.raises(ReservedMetadata, match=key):
        conversation.ask("hi", metadata={key: 1})

    assert not Message.objects.exists()


@pytest.mark.parametrize("model", ["nobody", "nobody:gpt", "nobody:"])
def test_an_unknown_model_is_refused_before_anything_is_written(conversation: Conversation, model: str) -> None:
    with pytest.raises(UnknownModel, match="nobody"):
        conversation.ask("hi", model=model)

    assert not Message.objects.exists()


def test_there_is_nothing_to_answer_in_an_empty_conversation(conversation: Conversation) -> None:
    with pytest.raises(NothingToAnswer):
        conversation.stream_response()

    assert not Message.objects.exists()


def test_a_user_message_added_while_an_answer_is_live_names_the_right_order(conversation: Conversation) -> None:
    with conversation.start_stream() as stream:
        with pytest.raises(ConversationBusy, match="add the user's message before its answer starts"):
            conversation.add_user_message("too late")
        stream.append("fine")

    assert stream.message.status == Status.COMPLETE


def test_a_second_ask_is_refused_while_one_runs(conversation: Conversation) -> None:
    with conversation.start_stream(), pytest.raises(ConversationBusy):
        conversation.ask("again")

    assert Message.objects.count() == 1


def test_interrupt_stops_the_first_answer_and_keeps_its_text(conversation: Conversation) -> None:
    gate = threading.Event()

    def source():
        yield "half a"
        gate.wait(60)

    first = conversation.ask("one", source=source())
    for event in first.follow(timeout=60):
        if event.kind == "text":
            break
    second = conversation.ask("two", source=["whole"], interrupt=True).wait(60)
    gate.set()

    first.refresh_from_db()
    assert (first.status, first.content) == (Status.CANCELLED, "half a")
    assert (second.status, second.content) == (Status.COMPLETE, "whole")


def test_numbers_are_dense_and_unique_whoever_adds(conversation: Conversation) -> None:
    """Seeds: C-09, V-03, F-11, T-14."""

    def add(index: int) -> int:
        try:
            return Conversation.objects.get(pk=conversation.pk).add_user_message(f"m{index}").number
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(add, range(40)))

    assert sorted(numbers) == list(range(1, 41))


def test_of_many_asks_at_once_one_wins_and_the_others_are_told(conversation: Conversation) -> None:
    gate = threading.Event()

    def ask(_index: int) -> Message | None:
        try:
            return Conversation.objects.get(pk=conversation.pk).ask("hi", source=iter(gate.wait, True))
        except ConversationBusy:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        started = [message for message in threads.map(ask, range(8)) if message]
    gate.set()

    assert len(started) == 1
    assert Message.objects.filter(role=Role.ASSISTANT).count() == 1
    assert started[0].wait(60).status == Status.COMPLETE


def test_refreshing_a_live_message_takes_one_query(conversation: Conversation, django_assert_num_queries) -> None:
    stream = conversation.start_stream().append("so far")
    stream.data("mark", 1)
    message = Message.objects.select_related("conversation").get(pk=stream.message.pk)
    assert message.content == "so far"
    stream.append(" and on").data("mark", 2)

    with django_assert_num_queries(1):
        message.refresh_from_db()

    assert message.content == "so far and on"
    stream.complete()
    message.refresh_from_db()
    assert (message.status, message.content) == (Status.COMPLETE, "so far and on")
    assert message.conversation == conversation
