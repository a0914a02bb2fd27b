"""One commit: prove who may still write, store their rows, write their endings, then tell the process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

from django.db import transaction

from converse_stream.brokers import configured, local
from converse_stream.conf import settings
from converse_stream.database import submit
from converse_stream.models import Message, Status
from converse_stream.models.endings import publish_endings
from converse_stream.models.leases import recover_now_and_then
from converse_stream.recorder.batch import Batch
from converse_stream.recorder.ending import ended
from converse_stream.recorder.outbox import Outbox
from converse_stream.recorder.statements import Statements


def commit(statements: Statements, batches: Sequence[Batch]) -> tuple[list[Batch], list[Message]]:
    """Store what the batches hold. Return those to try again (their row is locked by somebody) and what has ended."""
    with transaction.atomic(using=statements.using):
        held = set[UUID]()
        for ends in (False, True):
            outboxes = [batch.outbox for batch in batches if (batch.ending is not None) is ends]
            held |= statements.fence(outboxes, ends=ends) if outboxes else set()
        ours = [batch for batch in batches if batch.outbox.pk in held]
        rows = [(batch.outbox, row) for batch in ours for row in batch.rows]
        if rows:
            statements.insert(rows)
        ending = [batch for batch in ours if batch.ending is not None]
        metadata = statements.metadata([batch.outbox.pk for batch in ending])
        endings = [ended(batch, metadata[batch.outbox.pk]) for batch in ending]
        if endings:
            statements.end(endings)
            if settings.CHUNK_RETENTION == 0:
                statements.forget_chunks(message.pk for message in endings)
    for message, batch in zip(endings, ending, strict=True):
        batch.outbox.message = message
    for batch in ours:
        batch.outbox.committed(batch)
    transaction.on_commit(partial(_publish, ours, endings), using=statements.using)
    again, settled = _settle(statements, [batch for batch in batches if batch.outbox.pk not in held])
    return again, endings + settled


def follow_up(ended: list[Message], *, here: bool) -> None:
    """Tell of endings that are committed: in another thread, or `here` where the process ends."""
    if not here:
        with suppress(RuntimeError):  # a process that exits takes no more jobs
            submit(publish_endings, ended)
            return
    publish_endings(ended)


def look(statements: Statements, outboxes: Sequence[Outbox]) -> list[Outbox]:
    """Renew the leases that are past a third and return the outboxes whose message somebody else has ended.

    Now and then look after the messages of other processes, too.
    """
    now = time.monotonic()
    due = [outbox for outbox in outboxes if now - outbox.renewed > settings.LEASE / 3]
    held = statements.fence(due) if due else set()
    for outbox in due:
        if outbox.pk in held:
            outbox.renewed = now
    rest = [outbox for outbox in outboxes if outbox.pk not in held]
    standing = statements.standing(rest) if rest else {}
    lost = [outbox for outbox in rest if standing.get(outbox.pk, ("", ""))[0] != Status.STREAMING]
    for outbox in lost:
        outbox.close_as_lost()
    if lost:
        statements.forget_orphans([outbox.pk for outbox in lost])
    local.hint([outbox.message_id for outbox in lost])
    recover_now_and_then()
    return lost


def _settle(statements: Statements, missing: Sequence[Batch]) -> tuple[list[Batch], list[Message]]:
    """Find out why the fence did not hold these. Return those to try again and those that have ended all the same."""
    again: list[Batch] = []
    settled: list[Message] = []
    lost: list[Outbox] = []
    standing = statements.standing([batch.outbox for batch in missing]) if missing else {}
    for batch in missing:
        status, code = standing.get(batch.outbox.pk, ("", ""))
        if status == Status.STREAMING:
            if not batch.is_stored:
                again.append(batch)  # locked by a transaction that may yet be rolled back
        elif batch.ending and (status, code) == (batch.ending["status"], batch.ending.get("error_code", "")):
            # An earlier COMMIT did succeed, only its answer was lost.
            batch.outbox.message = Message.objects.using(statements.using).get(pk=batch.outbox.pk)
            settled.append(batch.outbox.message)
            batch.outbox.committed(batch)
        else:
            lost.append(batch.outbox)
            batch.outbox.close_as_lost(batch)
    if lost:
        statements.forget_orphans([outbox.pk for outbox in lost])
    local.hint([*(outbox.message_id for outbox in lost), *(str(message.pk) for message in settled)])
    return again, settled


def _publish(batches: Sequence[Batch], endings: Sequence[Message]) -> None:
    events = {batch.outbox.message_id: batch.events for batch in batches if batch.events}
    if events:
        local.committed(events)
    if endings:
        local.ended(endings)
    broker = configured()
    if broker is not None:
        broker.publish([batch.outbox.message_id for batch in batches if batch.rows or batch.ending])
