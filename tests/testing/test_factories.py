"""Factories: every row they make is one the package could have written."""

import pytest

import converse_stream.testing
from converse_stream.events import fold, text_of, width
from converse_stream.exceptions import ConversationBusy
from converse_stream.models import Chunk, Message, Status
from converse_stream.models.chunk import read_events
from converse_stream.models.leases import end_lost
from converse_stream.testing import ConversationFactory, MessageFactory, UserFactory

pytestmark = pytest.mark.django_db

STATES = {
    "user": ("user", Status.COMPLETE),
    "system": ("system", Status.COMPLETE),
    "assistant": ("assistant", Status.COMPLETE),
    "complete": ("assistant", Status.COMPLETE),
    "failed": ("assistant", Status.FAILED),
    "cancelled": ("assistant", Status.CANCELLED),
    "streaming": ("assistant", Status.STREAMING),
}
CALL = {"type": "tool_call", "id": "c1", "name": "f", "arguments": {}}
RESULT = {"type": "tool_result", "id": "c1", "name": "f", "result": 7, "is_error": False}
PARTS = [{"type": "reasoning", "text": "Hm"}, {"type": "text", "text": "Yes"}, CALL, RESULT]
PARTS += [{"type": "text", "text": "!"}]


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_a_valid_row_in_itself(state):
    """Seeds: V-07, V-24."""
    message = Message.objects.get(pk=MessageFactory(**{state: True}, content="It was").pk)

    message.full_clean()
    assert (message.role, message.status) == STATES[state]
    assert message.content == "It was"
    assert message.committed_parts() == [{"type": "text", "text": "It was"}]
    assert message.to_dict()["length"] == 6
    assert (message.live_in_id == message.conversation_id) is message.is_live
    assert bool(message.finished_at) is not message.is_live
    assert bool(message.public_error()) is (message.status == Status.FAILED)


@pytest.mark.parametrize("state", ["complete", "failed", "cancelled"])
def test_an_answer_has_the_figures_of_an_answer(state):
    message = MessageFactory(**{state: True}, metadata={"topic": "x"})

    assert message.started_at < message.first_delta_at < message.finished_at
    assert message.metadata["streamed"] is True
    assert message.metadata["stream_duration"] == message.duration == 2.0
    assert message.metadata["topic"] == "x"


@pytest.mark.parametrize("state", ["complete", "streaming"])
def test_parts_and_content_agree(state):
    message = Message.objects.get(pk=MessageFactory(**{state: True}, parts=PARTS).pk)

    assert message.committed_parts() == PARTS
    assert message.content == text_of(PARTS) == "Yes!"
    assert message.to_dict()["length"] == sum(map(width, PARTS)) == 8


def test_a_streaming_message_has_chunks_and_stays_alive_without_a_writer():
    message = MessageFactory(streaming=True, parts=PARTS)

    events = read_events(message.pk, using="default")
    assert [(event.start, event.end) for event in events] == [(0, 2), (2, 5), (5, 6), (6, 7), (7, 8)]
    assert fold(events) == PARTS
    assert end_lost([message.pk]) == []
    assert message.cancel()
    assert message.parts == PARTS


def test_an_answer_without_a_word_has_none():
    assert MessageFactory(streaming=True, content="").content == ""
    assert MessageFactory(failed=True, content="").parts == []
    assert not Chunk.objects.exists()


def test_messages_of_a_conversation_are_numbered_and_follow_each_other():
    conversation = ConversationFactory()
    question = MessageFactory(conversation=conversation, user=True)
    answer = MessageFactory(conversation=conversation, assistant=True)
    beside = MessageFactory(conversation=conversation, assistant=True, parent=question)

    conversation.refresh_from_db()
    assert [question.number, answer.number, beside.number] == [1, 2, 3]
    assert conversation.last_number == 3
    assert (question.parent, answer.parent, beside.parent) == (None, question, question)


def test_a_conversation_has_one_live_answer():
    live = MessageFactory(streaming=True)

    with pytest.raises(ConversationBusy):
        MessageFactory(conversation=live.conversation, streaming=True)


def test_users_differ_and_cannot_log_in_unless_a_password_is_given():
    first, second = UserFactory(), UserFactory(password="secret")

    assert first.username != second.username
    assert not first.has_usable_password()
    assert second.check_password("secret")


def test_batches_and_overrides_work_as_usual():
    user = UserFactory(username="ada")
    conversations = ConversationFactory.create_batch(2, owner=user, title="T")

    assert [conversation.owner.username for conversation in conversations] == ["ada", "ada"]
    assert conversations[0].title == "T"


def test_building_writes_nothing():
    message = MessageFactory.build(assistant=True, content="x")

    assert message.content == "x"
    assert not Message.objects.exists()


def test_the_door_knows_what_it_has_not():
    with pytest.raises(AttributeError, match="Nothing"):
        _ = converse_stream.testing.Nothing
