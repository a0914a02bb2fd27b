"""Leases, seen from outside: whoever looks at a live message tells the truth about a writer that is gone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import router
from django.db.models.functions import Now

from converse_stream.models.choices import LIVE_STATUSES
from converse_stream.models.endings import end_as_lost
from converse_stream.models.message import Message

TWICE = 3.0
"""Seconds between two sights of the same expired lease that prove its writer gone."""
ONCE = 30.0
"""Seconds a lease has to be expired for one sight to prove it."""

_seen: dict[Any, tuple[datetime | None, float]] = {}


def end_lost(message_ids: Iterable[Any]) -> list[Any]:
    """End the live ones among these messages whose writer is gone. Return the ids of those ended by this call.

    A lease that expired a moment ago may belong to a writer that was only held up: it has to be seen
    unchanged a second time. One query while nothing has expired.
    """
    using = router.db_for_write(Message)
    expired = Message.objects.using(using).filter(
        pk__in=list(message_ids), status__in=LIVE_STATUSES, lease_expires_at__lt=Now()
    )
    found = list(expired.defer("parts", "metadata"))
    if not found:
        return []
    long_ago = set(expired.filter(lease_expires_at__lt=Now() - timedelta(seconds=ONCE)).values_list("pk", flat=True))
    ended = []
    for message in found:
        lease = message.lease_expires_at
        if not lease or not (message.pk in long_ago or _seen_before(message)):
            continue
        with suppress(Message.DoesNotExist):  # deleted meanwhile
            if end_as_lost(message, lease):
                _seen.pop(message.pk, None)
                ended.append(message.pk)
    return ended


def _seen_before(message: Message) -> bool:
    now = time.monotonic()
    for pk in [pk for pk, (_, at) in tuple(_seen.items()) if now - at > ONCE]:  # other threads look, too
        _seen.pop(pk, None)
    lease, at = _seen.setdefault(message.pk, (message.lease_expires_at, now))
    if lease != message.lease_expires_at:
        _seen[message.pk] = (message.lease_expires_at, now)
        return False
    return now - at >= TWICE
