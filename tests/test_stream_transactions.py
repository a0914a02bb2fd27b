"""Streams in the site's own transactions: nothing written is lost, what was refused was not taken."""

import logging
import threading
from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import Error, IntegrityError, connection, connections, transaction
from django.db.transaction import TransactionManagementError

from converse_stream.events import Data
from converse_stream.exceptions import ConverseError, DatabaseHeld, StreamClosed
from converse_stream.models import Conversation, Message, Status
from converse_stream.writer import PrismStream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases lock rows")


def stored(stream: PrismStream) -> Message:
    return Message.objects.get(pk=stream.message.pk)


def elsewhere(work: Callable[[], object]) -> Exception | None:
    """Do something in another thread, with a connection of its own. Return what it raised."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            work()
        except (ConverseError, Error) as error:
            raised.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    return raised[0] if raised else None


def break_transaction(user: User) -> None:
    User.objects.create(username=user.username)


def test_what_another_thread_writes_waits_for_the_thread_of_the_transaction(conversation: Conversation) -> None:
    def write() -> None:
        stream.append("thread ").data("mark", 1).flush()

    with transaction.atomic():
        with conversation.start_stream() as stream:
            stream.append("main ").flush()
            assert elsewhere(write) is None
            assert elsewhere(lambda: async_to_sync(stream.awrite)(Data("mark", 2))) is None
            assert (stream.is_closed, stored(stream).content) == (False, "main ")
            stream.append("main again")
        assert stream.message.content == "main thread main again"

    message = stored(stream)
    assert (message.status, message.content) == (Status.COMPLETE, "main thread main again")
    assert [part["type"] for part in message.parts] == ["text", "data", "data", "text"]


def test_more_than_fits_a_buffer_from_another_thread_hangs_nobody(conversation: Conversation) -> None:
    with transaction.atomic(), conversation.start_stream() as stream:
        assert elsewhere(lambda: [stream.append("x" * 200_000) for _ in range(5)]) is None

    assert stored(stream).length == 1_000_000


@pytest.mark.parametrize("end", [PrismStream.complete, PrismStream.cancel, lambda stream: stream.fail("no")])
def test_another_thread_cannot_end_what_belongs_to_a_transaction(conversation: Conversation, caplog, end) -> None:
    caplog.set_level(logging.ERROR, "converse_stream")
    with transaction.atomic(), conversation.start_stream() as stream:
        stream.append("kept")
        assert isinstance(elsewhere(lambda: end(stream)), DatabaseHeld)
        assert not stream.is_closed

    assert (stored(stream).status, stored(stream).content) == (Status.COMPLETE, "kept")
    assert caplog.records == []


def test_after_the_transaction_another_thread_may_go_on_and_end(conversation: Conversation) -> None:
    with transaction.atomic():
        stream = conversation.start_stream().append("in ")

    assert elsewhere(lambda: stream.append("after").complete()) is None

    assert (stored(stream).status, stored(stream).content) == (Status.COMPLETE, "in after")


def test_threads_that_write_inline_at_once_keep_one_order(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    stream = conversation.start_stream()
    threads = [threading.Thread(target=_write_marks, args=[stream]) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    message = stream.complete()

    assert len(message.parts) == 40
    assert list(message.parts) == [event.data for event in Message.objects.get(pk=message.pk).follow(after=0)][1:-1]


def _write_marks(stream: PrismStream) -> None:
    for number in range(10):
        stream.data("mark", [threading.get_ident(), number])
    connections.close_all()


@on_sqlite
@pytest.mark.parametrize(
    "end",
    [PrismStream.complete, PrismStream.cancel, lambda stream: stream.fail("no")],
    ids=["complete", "cancel", "fail"],
)
def test_an_ending_refused_inside_a_transaction_was_not_taken(conversation: Conversation, caplog, end) -> None:
    caplog.set_level(logging.ERROR, "converse_stream")
    stream = conversation.start_stream().append("text")

    with transaction.atomic():
        Conversation.objects.create()
        for _ in range(2):
            with pytest.raises(DatabaseHeld):
                end(stream)
        assert not stream.is_closed
    assert caplog.records == []

    assert stream.append(" and more").complete().content == "text and more"


@on_sqlite
def test_a_part_refused_inside_a_transaction_was_not_taken(conversation: Conversation) -> None:
    stream = conversation.start_stream()

    with transaction.atomic():
        Conversation.objects.create()
        for _ in range(2):
            with pytest.raises(DatabaseHeld):
                stream.tool_call("c1", "look", {})
    stream.tool_call("c1", "look", {})

    assert [part["type"] for part in stream.complete().parts] == ["tool_call"]


@on_sqlite
def test_text_refused_inside_a_transaction_was_not_taken(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    written = 0

    with transaction.atomic():
        Conversation.objects.create()
        with pytest.raises(DatabaseHeld):
            for _ in range(10):
                stream.append("x" * 100_000)
                written += 100_000

    assert 0 < written < 1_000_000
    assert stream.complete().length == written


@on_sqlite
def test_an_exception_inside_a_transaction_fails_the_message_when_that_is_over(conversation: Conversation) -> None:
    stream = conversation.start_stream()

    with pytest.raises(ZeroDivisionError) as caught, transaction.atomic():
        Conversation.objects.create()
        with stream:
            stream.append("half")
            raise ZeroDivisionError

    assert "DatabaseHeld" in caught.value.__notes__[0]
    until(lambda: not stored(stream).is_live)
    assert (stored(stream).error_code, stored(stream).content) == ("internal", "half")


def test_a_broken_transaction_does_not_hide_what_broke_it(conversation: Conversation, user: User, caplog) -> None:
    caplog.set_level(logging.WARNING, "converse_stream")

    with pytest.raises(IntegrityError) as caught, transaction.atomic(), conversation.start_stream() as stream:
        stream.append("half")
        break_transaction(user)

    assert "TransactionManagementError" in caught.value.__notes__[0]
    [record] = caplog.records
    assert record.exc_info
    assert record.exc_info[1] is caught.value
    assert not Message.objects.filter(pk=stream.message.pk).exists()


def test_a_transaction_that_raw_sql_has_broken_does_not_hide_it_either(conversation: Conversation, user: User) -> None:
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        conversation.start_stream(),
        connection.cursor() as cursor,
    ):
        cursor.execute("INSERT INTO auth_user SELECT * FROM auth_user")


def test_async_code_sees_what_broke_the_transaction(conversation: Conversation, user: User) -> None:
    async def write() -> None:
        async with conversation.astart_stream() as stream:
            await stream.aappend("half")
            await stream.aflush()
            await sync_to_async(break_transaction)(user)

    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        async_to_sync(write)()

    assert "TransactionManagementError" in caught.value.__notes__[0]


def test_what_a_broken_savepoint_refuses_can_be_written_again_after_it(conversation: Conversation, user: User) -> None:
    with transaction.atomic():
        stream = conversation.start_stream().append("one ").flush()
        try:
            with transaction.atomic():
                try:
                    break_transaction(user)
                except IntegrityError:
                    stream.append("two ")
                    for write in (stream.flush, stream.complete, lambda: stream.data("mark", 1)):
                        with pytest.raises(TransactionManagementError):
                            write()
                    raise
        except IntegrityError:
            stream.append("three").data("mark", 1)
        stream.complete()

    assert stored(stream).content == "one two three"
    assert [part["type"] for part in stored(stream).parts] == ["text", "data"]


def test_what_raw_sql_kept_from_being_stored_is_stored_after_the_savepoint(
    conversation: Conversation, user: User
) -> None:
    with transaction.atomic():
        stream = conversation.start_stream()
        with pytest.raises(IntegrityError), transaction.atomic():
            try:
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO auth_user SELECT * FROM auth_user")
            except IntegrityError:
                stream.append("text")
                if connection.vendor == "postgresql":
                    with pytest.raises(Exception, match="aborted"):
                        stream.complete()
                raise
        assert not stream.is_closed
        stream.complete()

    assert (stored(stream).status, stored(stream).content) == (Status.COMPLETE, "text")


@pytest.mark.parametrize("runner", ["thread", "inline"])
async def test_async_code_flushes_with_any_runner(conversation: Conversation, settings, runner: str) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    stream = await conversation.astart_stream()
    await stream.aappend("text")

    await stream.aflush()

    assert (await Message.objects.aget(pk=stream.message.pk)).length == 0
    assert "".join([chunk.data async for chunk in stream.message.chunks.all()]) == "text"
    await stream.acomplete()
    with pytest.raises(StreamClosed):
        await stream.aflush()
