"""Claims: who writes an answer that waits in a queue. The row decides, whatever a queue delivers, loses or repeats."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections, router, transaction
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from converse_stream.conf import settings
from converse_stream.models.choices import LIVE_STATUSES, Status
from converse_stream.models.chunk import Chunk
from converse_stream.models.message import Message

MOST_CLAIMS = 3
"""How often an answer is begun: what kills its process each time must not go on for ever."""
MOST_SENDINGS = 6
"""How often a queue is told of an answer; the wait for somebody to claim it doubles each time."""
REQUEST_VERSION = 1
"""The form of `Message.request`. A process of an older release leaves what has a newer one to others."""
TICK = timedelta(milliseconds=1)
"""SQLite keeps times as text, to the millisecond or to the microsecond: the same lease may not compare as equal."""


def lease_end(leases: int = 1) -> Combinable:
    """Return when a lease that begins now ends, by the database's own clock."""
    return Now() + timedelta(seconds=settings.LEASE * leases)


def enqueue(message: Message, request: dict[str, Any]) -> None:
    """Let an answer that is not saved yet wait for whoever claims it."""
    message.status, message.lease_holder, message.claims, message.started_at = Status.PENDING, "", 0, None
    message.request = {**request, "version": REQUEST_VERSION, "sendings": 1}


def claim(message_id: UUID | str) -> Message | None:
    """Return a waiting answer as one that is ours to write.

    None where somebody has claimed, stopped or deleted it, or it was asked for by a newer release than this one.
    """
    using = router.db_for_write(Message)
    rows, now = Message.objects.using(using).filter(pk=message_id), timezone.now()
    holder = secrets.token_hex(16)
    is_known = Q(request__version__lte=REQUEST_VERSION) | Q(request__version__isnull=True)
    claimed = rows.filter(is_known, status=Status.PENDING).update(
        status=Status.STREAMING,
        lease_holder=holder,
        lease_expires_at=lease_end(),
        claims=F("claims") + 1,
        started_at=now,
        updated_at=now,
    )
    return rows.select_related("conversation", "parent").filter(lease_holder=holder).first() if claimed else None


def start_again(message: Message, lease_expires_at: datetime) -> bool:
    """Let an answer wait once more if its claim or its wait, as last seen, has run out with nothing committed.

    Return whether it does; otherwise it has to end.
    """
    if not _may_start_again(message):
        return False
    using, sendings = router.db_for_write(Message), message.request["sendings"]
    rows = Message.objects.using(using).filter(pk=message.pk)
    seen = rows.filter(
        status__in=LIVE_STATUSES,
        lease_holder=message.lease_holder,
        lease_expires_at__range=(lease_expires_at - TICK, lease_expires_at + TICK),
    )
    features = connections[using].features
    with transaction.atomic(using=using):
        if features.has_select_for_update_skip_locked and not seen.select_for_update(skip_locked=True).values("pk"):
            return False  # its writer commits at this moment, or somebody ends it
        waits = seen.update(
            status=Status.PENDING,
            lease_holder="",
            lease_expires_at=lease_end(2**sendings),
            request={**message.request, "sendings": sendings + 1},
        )
        if waits and Chunk.objects.using(using).filter(message_id=message.pk).exists():
            transaction.set_rollback(True, using=using)
            return False
    return bool(waits)


def _may_start_again(message: Message) -> bool:
    sendings = message.request.get("sendings")
    if not isinstance(sendings, int):
        return False  # it has been in no queue: it lived and died with its process
    return message.claims < MOST_CLAIMS and sendings < MOST_SENDINGS
