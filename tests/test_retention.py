"""How long the record is kept: pruning disturbs no reader, and what is erased is gone."""

import json
import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from converse_stream.exceptions import StreamClosed
from converse_stream.models import Attempt, Chunk, Conversation, Message
from converse_stream.retention import Pruned, erase, export, prune
from tests.faults.answers import Answer
from tests.records import Echo, answered, person
from tests.waiting import finished_attempts, until

pytestmark = pytest.mark.django_db(transaction=True)


def ended_ago(message: Message, seconds: float) -> None:
    Message.objects.filter(pk=message.pk).update(finished_at=timezone.now() - timedelta(seconds=seconds))


def deleted_ago(conversation: Conversation, days: float) -> None:
    conversation.soft_delete()
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=timezone.now() - timedelta(days=days))


def printed(command: str, *arguments: str) -> str:
    call_command(command, *arguments, stdout=(output := StringIO()))
    return output.getvalue()


def test_chunks_go_when_their_time_is_over_and_the_text_stays(settings: Any, user: User) -> None:
    settings.CONVERSE_STREAM = {"CHUNK_RETENTION": 60}
    old, young = (answered(Conversation.objects.create(owner=user)) for _ in range(2))
    ended_ago(old, 61)

    assert prune() == Pruned(messages=1, conversations=0)

    assert set(Chunk.objects.values_list("message_id", flat=True)) == {young.pk}
    assert "".join(event.text for event in Message.objects.get(pk=old.pk).follow()) == "Hello there."


def test_a_live_message_keeps_its_chunks_however_old_they_are(settings: Any, conversation: Conversation) -> None:
    settings.CONVERSE_STREAM = {"CHUNK_RETENTION": 0}
    with conversation.start_stream() as stream:
        stream.append("So far").flush()
        Chunk.objects.update(created_at=timezone.now() - timedelta(days=400))

        assert prune() == Pruned(0, 0)

        assert Message.objects.get(pk=stream.message.pk).content == "So far"


def test_chunks_that_belong_to_nothing_go(user: User) -> None:
    message = answered(Conversation.objects.create(owner=user))
    Chunk.objects.create(message_id=user_id(7), start=0, end=1, kind="text", data="x", created_at=timezone.now())

    assert prune() == Pruned(1, 0)

    assert set(Chunk.objects.values_list("message_id", flat=True)) == {message.pk}


def user_id(number: int) -> str:
    return f"{number:032x}"


@pytest.mark.slow
def test_pruning_all_the_time_disturbs_no_reader(settings: Any) -> None:
    settings.CONVERSE_STREAM = {"CHUNK_RETENTION": 0.001}
    answers, is_over, pruned = [Answer(40 + 10 * number) for number in range(5)], threading.Event(), []

    def keep_pruning() -> None:
        try:
            while not is_over.is_set():
                pruned.append(prune().messages)
        finally:
            connection.close()

    thread = threading.Thread(target=keep_pruning)
    thread.start()
    try:
        for answer in answers:
            answer.check()
            late = [event for event in answer.message.follow(after=17, timeout=60) if not event.is_ending]
            assert late[0].start == 17
        until(lambda: not Chunk.objects.exists())
    finally:
        is_over.set()
        thread.join()

    assert sum(pruned) >= len(answers)


@pytest.mark.parametrize(("days", "is_gone"), [(31, True), (29, False)])
def test_what_its_owner_deleted_long_ago_is_gone(conversation: Conversation, days: int, is_gone: bool) -> None:
    message = answered(conversation)
    deleted_ago(conversation, days)

    assert printed("converse_prune") == f"0 messages lost their chunks, {int(is_gone)} conversations are gone\n"

    assert Conversation.objects.filter(pk=conversation.pk).exists() is not is_gone
    assert Chunk.objects.filter(message_id=message.pk).exists() is not is_gone


def test_deleted_conversations_are_kept_for_ever_where_the_site_says_so(
    settings: Any, conversation: Conversation
) -> None:
    settings.CONVERSE_STREAM = {"DELETED_RETENTION_DAYS": None}
    deleted_ago(conversation, 4000)

    assert prune().conversations == 0


def test_erasing_leaves_nothing_of_one_user_and_everything_of_the_others(user: User) -> None:
    conversation = Conversation.objects.create(owner=user)
    conversation.ask("Hi", model=Echo("echo")).wait(60)
    deleted = Conversation.objects.create(owner=user)
    answered(deleted)
    deleted.soft_delete()
    kept = answered(Conversation.objects.create(owner=person("bob")))

    assert erase(user) == 2

    assert list(Message.objects.all()) == [kept]
    assert not Attempt.objects.exists()
    assert set(Chunk.objects.values_list("message_id", flat=True)) == {kept.pk}
    assert User.objects.filter(pk=user.pk).exists()


def test_erasing_stops_the_writer_that_is_in_the_middle_of_it(user: User) -> None:
    stream = Conversation.objects.create(owner=user).start_stream()
    stream.append("So far").flush()

    erase(user)

    with pytest.raises(StreamClosed):
        stream.append("and on").flush()
    assert not (Message.objects.exists() or Chunk.objects.exists())


def test_an_export_holds_all_that_was_said_and_nothing_of_others(user: User) -> None:
    conversation = Conversation.objects.create(owner=user, title="Mornings", metadata={"topic": "weather"})
    answer = conversation.ask("good morning", model=Echo("echo"), metadata={"secret": "of the site"}).wait(60)
    finished_attempts(answer)
    deleted_ago(conversation, 3)
    answered(Conversation.objects.create(owner=person("bob")))

    (found,) = map(json.loads, printed("converse_export", "ada").splitlines())

    assert (found["title"], found["metadata"], bool(found["deleted_at"])) == ("Mornings", {"topic": "weather"}, True)
    assert [message["content"] for message in found["messages"]] == ["good morning", "good morning "]
    assert found["messages"][1]["metadata"]["secret"] == "of the site"
    assert [attempt["provider"] for attempt in found["messages"][1]["attempts"]] == ["echo"]
    assert list(export(user)) == [found]


def test_the_command_erases_only_when_that_is_certain(user: User) -> None:
    answered(Conversation.objects.create(owner=user))

    with pytest.raises(CommandError, match="1 conversations would be deleted for good"):
        call_command("converse_erase", "ada")
    assert Message.objects.exists()

    assert printed("converse_erase", "ada", "--yes") == "1 conversations are gone\n"
    assert not Message.objects.exists()


@pytest.mark.parametrize("command", ["converse_erase", "converse_export"])
def test_nobody_of_that_name_is_an_error(command: str) -> None:
    with pytest.raises(CommandError, match="there is no user 'nobody'"):
        call_command(command, "nobody")
