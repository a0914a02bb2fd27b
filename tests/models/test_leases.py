"""Who looks at a live message whose writer is gone tells the truth, and is held up by nobody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from converse_stream.models import Conversation, Message, Status
from converse_stream.models.endings import end_as_lost
from converse_stream.models.leases import end_lost
from converse_stream.models.opening import insert, live
from converse_stream.recorder import Outbox
from converse_stream.recorder.statements import Statements

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def orphan(conversation: Conversation) -> Message:
    """A live message that nobody writes."""
    message = live(provider="", model="", metadata={})
    insert(conversation, [message])
    return message


def lease_of(message: Message) -> datetime:
    lease = Message.objects.values_list("lease_expires_at", flat=True).get(pk=message.pk)
    assert lease is not None
    return lease


def expire(message: Message, seconds: float) -> None:
    """Let the lease have run out so many seconds ago."""
    Message.objects.filter(pk=message.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=seconds))


def test_a_lease_that_ran_out_long_ago_is_proof_at_once(orphan: Message) -> None:
    """Seeds: V-30."""
    expire(orphan, 31)

    assert end_lost([orphan.pk]) == [orphan.pk]

    orphan.refresh_from_db()
    assert (orphan.status, orphan.error_code, orphan.live_in) == (Status.FAILED, "worker_lost", None)
    assert end_lost([orphan.pk]) == []


def test_a_lease_that_has_just_run_out_may_be_that_of_a_writer_held_up(orphan: Message) -> None:
    expire(orphan, 1)

    assert end_lost([orphan.pk]) == []
    assert end_lost([orphan.pk]) == []


def test_a_lease_that_runs_is_left_alone(orphan: Message) -> None:
    expire(orphan, -5)

    assert end_lost([orphan.pk]) == []


def test_the_lease_that_was_seen_is_recognised_after_a_renewal_too(orphan: Message) -> None:
    assert Statements("default").fence([Outbox(orphan)]) == {orphan.pk}

    assert end_as_lost(orphan, lease_of(orphan))


def test_a_lease_renewed_since_it_was_seen_is_not_ended(orphan: Message) -> None:
    expire(orphan, 1)
    seen = lease_of(orphan)
    Statements("default").fence([Outbox(orphan)])

    assert not end_as_lost(orphan, seen)
    assert Message.objects.get(pk=orphan.pk).status == Status.STREAMING


@contextmanager
def held_by_somebody(message: Message, stops: bool) -> Iterator[None]:
    """Let another connection lock a message, or its conversation as well, for as long as the block takes."""
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                if stops:
                    Message.objects.get(pk=message.pk).cancel()
                else:
                    Message.objects.select_for_update().get(pk=message.pk)
                locked.set()
                done.wait(60)
                transaction.set_rollback(True)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(60)
    try:
        yield
    finally:
        done.set()
        holder.join(10)


@pytest.mark.postgres
@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.timeout(15)
def test_who_looks_does_not_wait_for_who_holds_the_message(orphan: Message, stops: bool) -> None:
    expire(orphan, 31)

    with held_by_somebody(orphan, stops):
        assert end_lost([orphan.pk]) == []

    assert end_lost([orphan.pk]) == [orphan.pk]
