"""One commit serves many messages, and none of them can hurt another."""

import logging
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from converse_stream.exceptions import InternalError, StreamClosed
from converse_stream.models import Chunk, Conversation, Message, Status, opening
from converse_stream.recorder import Outbox, Recorder
from converse_stream.recorder.batch import Batch
from converse_stream.recorder.commit import commit, look
from converse_stream.recorder.ending import ended
from converse_stream.recorder.statements import Statements
from converse_stream.writer import PrismStream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

POISON = {
    "sqlite": """
        CREATE TRIGGER poison BEFORE INSERT ON converse_stream_chunk WHEN NEW.data LIKE '%poison%'
        BEGIN SELECT RAISE(ABORT, 'poisoned'); END""",
    "postgresql": """
        CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.data LIKE '%poison%' THEN RAISE data_exception; END IF; RETURN NEW; END $$;
        CREATE TRIGGER poison BEFORE INSERT ON converse_stream_chunk FOR EACH ROW EXECUTE FUNCTION poison()""",
}
ANTIDOTE = {
    "sqlite": "DROP TRIGGER poison",
    "postgresql": "DROP TRIGGER poison ON converse_stream_chunk; DROP FUNCTION poison",
}


@pytest.fixture
def poisonable():
    """A database that refuses one word, as a stand-in for whatever a database may refuse."""
    with connection.cursor() as cursor:
        cursor.execute(POISON[connection.vendor])
    yield
    with connection.cursor() as cursor:
        cursor.execute(ANTIDOTE[connection.vendor])


def live_message() -> Message:
    message = opening.live(provider="", model="", metadata={})
    opening.insert(Conversation.objects.create(), [message])
    return message


def outbox_of(message: Message) -> Outbox:
    return Outbox(message)


def test_a_row_that_cannot_be_stored_fails_its_own_message_only(
    poisonable: None, caplog: pytest.LogCaptureFixture
) -> None:
    streams = [Conversation.objects.create().start_stream() for _ in range(5)]
    for stream in streams:
        stream.append("good ").data("mark", 1)

    for index, stream in enumerate(streams):
        stream.append("poison" if index == 2 else "text")
    with caplog.at_level(logging.ERROR, "converse_stream"), pytest.raises((InternalError, StreamClosed)):
        streams[2].data("mark", 2)
    for stream in streams[:2] + streams[3:]:
        stream.complete()

    stored = [Message.objects.get(pk=stream.message.pk) for stream in streams]
    assert [message.status for message in stored].count(Status.COMPLETE) == 4
    assert (stored[2].status, stored[2].error_code, stored[2].content) == (Status.FAILED, "internal", "good ")
    assert str(stored[2].pk) in caplog.text
    assert {message.content for message in stored} == {"good ", "good text"}


def store_without_telling(statements: Statements, batch: Batch) -> None:
    """Do what a commit does whose answer is lost on the way: the rows are there, and the writer does not know."""
    with transaction.atomic():
        assert statements.fence([batch.outbox])
        statements.insert([(batch.outbox, row) for row in batch.rows])
        if batch.ending is not None:
            statements.end([ended(batch, {})])


def test_a_commit_tried_again_after_a_lost_answer_is_the_same_commit() -> None:
    message = live_message()
    outbox = outbox_of(message)
    outbox.text("text", "once ")
    first = outbox.take()
    outbox.text("text", "and for all")
    outbox.end({"status": Status.COMPLETE, "finish_reason": "stop"})
    last = outbox.take()
    statements = Statements("default")

    for batch in (first, last):
        store_without_telling(statements, batch)
        again, _endings = commit(statements, [batch])
        assert not again

    message.refresh_from_db()
    assert (message.status, message.content) == (Status.COMPLETE, "once and for all")
    assert [chunk.data for chunk in Chunk.objects.all()] == ["once ", "and for all"]
    assert (outbox.ended_as, outbox.lost) == (Status.COMPLETE, False)


@pytest.mark.parametrize("change", [{"lease_holder": "somebody else"}, {"status": Status.CANCELLED}])
def test_a_writer_that_was_fenced_off_writes_nothing_more(change: dict[str, str]) -> None:
    """Seeds: V-14, T-09."""
    message = live_message()
    outbox = outbox_of(message)
    Message.objects.filter(pk=message.pk).update(**change)
    outbox.text("text", "too late")

    commit(Statements("default"), [outbox.take()])

    assert outbox.lost
    assert not Chunk.objects.exists()
    with pytest.raises(StreamClosed):
        outbox.text("text", "later still")


def test_a_deleted_message_leaves_no_orphans() -> None:
    message = live_message()
    outbox = outbox_of(message)
    Message.objects.filter(pk=message.pk).delete()
    outbox.text("text", "too late")

    commit(Statements("default"), [outbox.take()])

    assert outbox.lost
    assert not Chunk.objects.exists()


def test_a_commit_needs_four_statements_whatever_the_number_of_messages(django_assert_num_queries) -> None:
    outboxes = [outbox_of(live_message()) for _ in range(30)]
    for outbox in outboxes:
        outbox.text("text", "words")
        outbox.end({"status": Status.COMPLETE})
    statements = Statements("default")

    with django_assert_num_queries(6):  # with BEGIN and COMMIT
        commit(statements, [outbox.take() for outbox in outboxes])

    assert Message.objects.filter(status=Status.COMPLETE, content="words").count() == 30


def test_a_look_renews_leases_past_a_third_and_finds_what_was_stopped() -> None:
    kept, stopped = live_message(), live_message()
    outboxes = [outbox_of(kept), outbox_of(stopped)]
    soon = timezone.now() + timedelta(seconds=1)
    Message.objects.filter(pk=kept.pk).update(lease_expires_at=soon)
    Message.objects.get(pk=stopped.pk).cancel()
    for outbox in outboxes:
        outbox.renewed -= 5

    lost = look(Statements("default"), outboxes)

    kept.refresh_from_db()
    assert lost == [outboxes[1]]
    assert kept.lease_expires_at > soon
    assert outboxes[1].lost and not outboxes[0].lost


def test_chunks_are_pruned_once_their_message_ended_long_ago(settings) -> None:
    """Seeds: V-04."""
    settings.CONVERSE_STREAM = {"CHUNK_RETENTION": 3600}
    old, new, live = (Conversation.objects.create().start_stream() for _ in range(3))
    for stream in (old, new, live):
        stream.append("words").data("mark", 1)
    for stream in (old, new):
        stream.complete()
    Message.objects.filter(pk=old.message.pk).update(finished_at=timezone.now() - timedelta(hours=2))

    statements = Statements("default")

    assert statements.prune()
    assert not statements.prune()
    assert set(Chunk.objects.values_list("message_id", flat=True)) == {new.message.pk, live.message.pk}
    assert "".join(event.text for event in old.message.follow()) == "words"


def test_a_process_that_claims_a_message_again_gives_up_its_older_claim() -> None:
    """A queue may deliver twice, and the first worker be held up before its first word for longer than its lease."""
    older = live_message()
    recorder, told = Recorder(), list[str]()
    before = PrismStream(older, recorder, on_closed=lambda: told.append("closed"))
    Message.objects.filter(pk=older.pk).update(lease_holder="another")
    newer = Message.objects.get(pk=older.pk)

    after = PrismStream(newer, recorder)

    with pytest.raises(StreamClosed):
        before.append("old")
    assert told == ["closed"]
    assert after.append("new").complete().content == "new"
    until(lambda: not recorder.is_busy)
    recorder.stop()
