"""Leases, seen from outside: whoever looks at a live message tells the truth about a writer that is gone.

What a queue has lost, or a worker before its first word, is started again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.db.models.functions import Now

from converse_stream.models.choices import LIVE_STATUSES, Status
from converse_stream.models.claims import start_again
from converse_stream.models.endings import end_as_lost
from converse_stream.models.message import Message

logger = logging.getLogger("converse_stream")

RECOVER_INTERVAL = 5.0
"""Seconds between two looks of one process at all that is live in the database."""
AT_ONCE = 100
"""Messages that one look deals with."""
TWICE = 3.0
"""Seconds between two sights of the same expired lease that prove its writer gone."""
ONCE = 30.0
"""Seconds a lease has to be expired for one sight to prove it."""

_recovered_at = 0.0
_seen: dict[Any, tuple[datetime | None, float]] = {}


def recover() -> list[Any]:
    """Look at every message of the database whose lease has run out, as `end_lost` does."""
    ids = list(expired().order_by("lease_expires_at").values_list("pk", flat=True)[:AT_ONCE])
    return end_lost(ids) if ids else []


def expired() -> QuerySet[Message]:
    """Return the live messages whose lease has run out, or their wait."""
    rows = Message.objects.using(router.db_for_write(Message))
    return rows.filter(status__in=LIVE_STATUSES, lease_expires_at__lt=Now())


def recover_now_and_then() -> None:
    """Recover, if this process has not done so for a while."""
    global _recovered_at
    now = time.monotonic()
    if now - _recovered_at >= RECOVER_INTERVAL:
        _recovered_at = now
        recover()


def end_lost(message_ids: Iterable[Any]) -> list[Any]:
    """End the live ones among these messages whose writer is gone. Return the ids of those ended by this call.

    Those that were in a queue, and of which nothing is committed, are started again instead, some times.

    A lease that expired a moment ago may belong to a writer that was only held up: it has to be seen
    unchanged a second time. One query while nothing has expired.
    """
    rows = expired().filter(pk__in=list(message_ids))
    found = list(rows.defer("parts", "metadata"))
    if not found:
        return []
    long_ago = set(rows.filter(lease_expires_at__lt=Now() - timedelta(seconds=ONCE)).values_list("pk", flat=True))
    ended = []
    for message in found:
        lease = message.lease_expires_at
        # Nobody writes what is pending: its wait may end at first sight.
        is_proven = message.status == Status.PENDING or message.pk in long_ago or _seen_before(message)
        if not lease or not is_proven:
            continue
        with suppress(Message.DoesNotExist):  # deleted meanwhile
            if start_again(message, lease):
                _send(message)
            elif end_as_lost(message, lease):
                ended.append(message.pk)
            else:
                continue
            _seen.pop(message.pk, None)
    return ended


def hand_back(message_ids: Iterable[Any]) -> list[Any]:
    """Give answers that came from a queue, and of which nothing is committed, to other processes. Return their ids."""
    rows = Message.objects.using(router.db_for_write(Message)).filter(pk__in=list(message_ids))
    given = []
    for message in rows.filter(status=Status.STREAMING).defer("parts", "metadata"):
        if message.lease_expires_at and start_again(message, message.lease_expires_at):
            _send(message)
            given.append(message.pk)
    return given


def _send(message: Message) -> None:
    from converse_stream.runners import get_runner

    logger.warning("message %s has not been begun, or not by a process that still writes; it is sent again", message.pk)
    get_runner().send(str(message.pk))


def _seen_before(message: Message) -> bool:
    now = time.monotonic()
    for pk in [pk for pk, (_, at) in tuple(_seen.items()) if now - at > ONCE]:  # other threads look, too
        _seen.pop(pk, None)
    lease, at = _seen.setdefault(message.pk, (message.lease_expires_at, now))
    if lease != message.lease_expires_at:
        _seen[message.pk] = (message.lease_expires_at, now)
        return False
    return now - at >= TWICE
