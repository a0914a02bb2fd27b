"""What is tried again, because the database went away at a bad moment, is there once and whole."""

import logging
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from converse_stream import database
from converse_stream.feed.feed import get_feed
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.models.endings import publish_endings
from converse_stream.recorder import Outbox, recorder
from converse_stream.recorder.commit import commit
from converse_stream.recorder.statements import Statements
from converse_stream.signals import stream_completed
from converse_stream.testing import Follower, ScriptedProvider
from tests.recorder.test_commit import live_message, store_without_telling
from tests.simulation.processes import SteppedRecorder

pytestmark = pytest.mark.django_db(transaction=True)

COMPLETE = {"status": Status.COMPLETE, "finish_reason": "stop"}


class Away:
    """Lets the statements that begin so fail, as a driver does without a connection, so many times."""

    def __init__(self, beginning: str, times: int = 1) -> None:
        self.beginning, self.times = beginning, times

    def __call__(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if self.times and sql.startswith(self.beginning):
            self.times -= 1
            raise OperationalError("gone")
        return execute(sql, *rest)


def opened(stepped: SteppedRecorder, text: str) -> Outbox:
    outbox = Outbox(live_message())
    stepped.open(outbox)
    outbox.text("text", text)
    stepped.note(outbox)
    return outbox


def completed(stepped: SteppedRecorder, outbox: Outbox, text: str) -> Message:
    outbox.text("text", text)
    outbox.end(COMPLETE)
    stepped.note(outbox)
    stepped.write()
    return Message.objects.get(pk=outbox.pk)


def test_what_fails_behind_a_commit_repeats_nothing() -> None:
    stepped = SteppedRecorder()
    outbox, stopped = opened(stepped, "once "), opened(stepped, "too late")
    Message.objects.get(pk=stopped.pk).cancel()

    with connection.execute_wrapper(away := Away("SELECT")):  # the first one asks what has become of the other message
        stepped.write()

    assert away.times == 0
    assert stopped.lost
    message = completed(stepped, outbox, "and for all")
    assert (message.content, message.length) == ("once and for all", 16)


def test_nothing_is_added_to_a_row_that_may_be_stored() -> None:
    """A COMMIT whose answer was lost, then a lock on the row, and meanwhile the provider goes on."""
    outbox = Outbox(live_message())
    outbox.text("text", "one ")
    batch = outbox.take()
    store_without_telling(Statements("default"), batch)
    outbox.give_back(batch)

    outbox.text("text", "two")
    commit(Statements("default"), [outbox.take()])

    assert [chunk.data for chunk in Chunk.objects.order_by("start")] == ["one ", "two"]
    assert [(event.start, event.end) for event in outbox.history] == [(0, 4), (4, 7)]


def test_a_process_that_ends_in_an_outage_leaves_no_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "STOP", 0.0)
    stepped = SteppedRecorder()
    outbox = opened(stepped, "one ")
    stepped._stopping = True

    with connection.execute_wrapper(Away("UPDATE", times=1000)):
        stepped.write()  # gives up

    assert not Chunk.objects.exists()
    assert completed(stepped, outbox, "two").content == "one two"


def test_an_answer_that_waits_for_its_transaction_is_not_looked_for(conversation: Conversation, settings: Any) -> None:
    """Whoever looked before the commit would take it for deleted."""
    settings.CONVERSE_STREAM = {"RUNNER": "thread"}
    with transaction.atomic():
        response = conversation.stream_response("Hi", model=ScriptedProvider(["Hello"]))
        assert str(response.message.pk) not in get_feed().tails

    assert Follower().read(response).text == "Hello"


@pytest.mark.postgres
def test_an_ending_does_not_wait_for_a_row_of_the_site_that_refers_to_its_message() -> None:
    """A foreign key is checked under a lock that lasts until the end of its transaction."""
    outbox = Outbox(live_message())
    outbox.end(COMPLETE)
    batch, statements = outbox.take(), Statements("default")

    with closing(connection.copy()) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor, connection.cursor() as mine:
            cursor.execute(f"SELECT 1 FROM {statements.table} WHERE id = %s FOR KEY SHARE", [outbox.pk])
            mine.execute("SET lock_timeout = '2s'")
            again, _ = commit(statements, [batch])
        other.rollback()

    assert again == [batch]
    again, (message,) = commit(statements, [batch])
    assert (again, message.status) == ([], Status.COMPLETE)


def test_signals_are_sent_though_a_conversation_cannot_be_noted_as_changed(
    conversation: Conversation, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    message = conversation.start_stream().append("Hi").complete()
    heard: list[Message] = []

    def receive(message: Message, **_: Any) -> None:
        heard.append(message)

    stream_completed.connect(receive)
    try:
        with connection.execute_wrapper(Away("UPDATE")), caplog.at_level(logging.WARNING, "converse_stream"):
            publish_endings([message])
    finally:
        stream_completed.disconnect(receive)

    assert heard == [message]
    assert "could not be noted as changed" in caplog.text


def test_what_follows_an_ending_and_fails_is_logged(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "thread"}

    def fail() -> None:
        raise OperationalError("gone")

    with caplog.at_level(logging.ERROR, "converse_stream"):
        database.afterwards(fail)
        database.close_pools()

    assert "could not be done" in caplog.text
