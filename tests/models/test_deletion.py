"""Soft deletion and edits, as a site calls them."""

import threading

import pytest
from django.contrib.auth.models import AnonymousUser

from converse_stream.exceptions import InvalidContent
from converse_stream.models import Conversation, Message

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_the_first_of_two_deletions_does_it(conversation):
    twin = Conversation.objects.get(pk=conversation.pk)

    assert (conversation.soft_delete(), twin.soft_delete()) == (True, False)
    assert conversation.deleted_at == twin.deleted_at is not None
    assert (conversation.restore(), twin.restore()) == (True, False)
    assert conversation.deleted_at is twin.deleted_at is None


def test_the_writer_of_a_deleted_conversation_stops(conversation):
    gate, left = threading.Event(), threading.Event()

    def source():
        try:
            yield "half a"
            while not gate.wait(0.01):
                yield ""
            yield "n answer"
        finally:
            left.set()

    answer = conversation.ask("Hi", source=source())
    for event in answer.follow(timeout=60):
        if event.kind == "text":
            break
    conversation.soft_delete()
    endings = [event.kind for event in answer.follow(timeout=60)][-1:]
    gate.set()

    assert endings == ["cancelled"]
    assert left.wait(60)
    answer.refresh_from_db()
    assert (answer.status, answer.content) == ("cancelled", "half a")


def test_who_watches_by_revision_sees_it(conversation):
    before = conversation.revision

    conversation.soft_delete()
    conversation.restore()

    conversation.refresh_from_db()
    assert conversation.revision == before + 2


async def test_the_async_twins_do_the_same(conversation):
    question = await conversation.aadd_user_message("Hi")

    answer = await (await question.aedit("Ho", source=["Yes."])).await_ending(10)
    deleted, restored = await conversation.asoft_delete(), await conversation.arestore()

    assert (deleted, restored, answer.content) == (True, True, "Yes.")
    assert (await Message.objects.aget(pk=answer.parent_id)).parent_id is question.parent_id is None


def test_an_answer_cannot_be_edited(conversation):
    answer = conversation.ask("Hi", source=["Yes."]).wait(60)

    with pytest.raises(InvalidContent):
        answer.edit("Ho")

    assert Message.objects.count() == 2


def test_who_owns_nothing_finds_nothing(conversation, django_user_model):
    ann = django_user_model.objects.create_user("ann")
    gone = Conversation.objects.create(owner=conversation.owner)
    gone.soft_delete()

    for somebody, rows in ((conversation.owner, (1, 1, 2)), (ann, (0, 0, 0)), (AnonymousUser(), (0, 0, 0))):
        found = Conversation.objects.for_user(somebody), Conversation.objects.deleted_by(somebody)
        assert (*map(len, found), len(Conversation.objects.owned_by(somebody))) == rows
