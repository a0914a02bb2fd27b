"""Ending a message that somebody else writes: a stop, or the truth about a writer that is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from converse_stream.conf import settings
from converse_stream.database import afterwards
from converse_stream.events import fold, text_of, width
from converse_stream.models.choices import LIVE_STATUSES, Status
from converse_stream.models.chunk import Chunk, read_events
from converse_stream.models.claims import TICK
from converse_stream.models.conversation import Conversation
from converse_stream.models.figures import figures
from converse_stream.models.message import Message
from converse_stream.signals import BY_STATUS

logger = logging.getLogger("converse_stream")


def cancel(message: Message) -> bool:
    """Stop a live message; see Message.cancel."""
    return _end(message, Status.CANCELLED, finish_reason="cancelled")


acancel = sync_to_async(cancel)


def end_as_lost(message: Message, lease_expires_at: datetime) -> bool:
    """End a message whose lease, as last seen, has run out. Return whether this call ended it.

    A message that somebody has locked is left for another time: whoever looks at it is not held up.
    """
    ended = _end(
        message,
        Status.FAILED,
        where=Q(lease_expires_at__range=(lease_expires_at - TICK, lease_expires_at + TICK)),
        waits=False,
        finish_reason="error",
        error_code="worker_lost",
        error_message="the process that wrote this message let its lease run out",
    )
    if ended:
        logger.error("message %s failed: worker_lost", message.pk)
    return ended


def _end(message: Message, status: str, *, where: Q | None = None, waits: bool = True, **fields: Any) -> bool:
    using = router.db_for_write(Message)
    rows = Message.objects.using(using).filter(pk=message.pk)
    now = timezone.now()
    if not rows.filter(status__in=LIVE_STATUSES).exists():
        message.refresh_from_db(using=using)
        return False
    with transaction.atomic(using=using):
        # Locks are taken in one order everywhere: the conversation, then its messages.
        conversation = Conversation.objects.using(using).filter(pk=message.conversation_id)
        if not waits and not (_lock_free(conversation, no_key=True) and _lock_free(rows)):
            return False
        conversation.update(revision=F("revision") + 1)
        live = rows.filter(where or Q(), status__in=LIVE_STATUSES)
        ended = live.update(status=status, live_in=None, lease_expires_at=None, finished_at=now, **fields)
        if ended:
            _fold(rows.get(), using)
            transaction.on_commit(partial(announce, message.pk, status), using=using)
    message.refresh_from_db(using=using)
    return bool(ended)


def _lock_free(row: QuerySet[Any], *, no_key: bool = False) -> bool:
    """Lock a row, unless somebody else has. Return whether it is ours.

    With `no_key` whoever refers to it may go on; an ending changes `live_in`, which is unique, and must not wait then.
    """
    features = connections[row.db].features
    if not features.has_select_for_update_skip_locked:
        return True
    locked = row.select_for_update(skip_locked=True, no_key=no_key and features.has_select_for_no_key_update)
    return bool(locked.values_list("pk"))


def _fold(message: Message, using: str) -> None:
    """Give an ended message the parts its committed chunks add up to."""
    message.parts = fold(read_events(message.pk, using=using))
    message.content = text_of(message.parts)
    message.length = sum(map(width, message.parts))
    if message.started_at and message.finished_at:
        message.duration = (message.finished_at - message.started_at).total_seconds()
    message.metadata = message.metadata | figures(message)
    message.save(using=using, update_fields=["parts", "content", "length", "duration", "metadata"])
    if settings.CHUNK_RETENTION == 0:
        Chunk.objects.using(using).filter(message=message).delete()


def publish_endings(messages: Sequence[Message]) -> None:
    """Follow up the endings that a recorder has committed: revisions, hints and signals."""
    using = router.db_for_write(Message)
    conversations = {message.conversation_id for message in messages}
    rows = Conversation.objects.using(using).filter(pk__in=conversations).order_by()
    try:
        rows.update(revision=F("revision") + 1, updated_at=timezone.now())
    except (OperationalError, InterfaceError):
        logger.warning("conversations could not be noted as changed; their messages have ended", exc_info=True)
    for message in messages:
        announce(message.pk, message.status)


def announce_messages(conversation_id: Any) -> None:
    """Tell this process and the others that a conversation has new messages. After the commit."""
    from converse_stream.brokers import hint

    hint([str(conversation_id)])


def announce(message_id: Any, status: str) -> None:
    """Tell this process, the others and the signal's receivers how a message stands. After the commit."""
    from converse_stream.brokers import hint

    hint([str(message_id)])
    if BY_STATUS[status].has_listeners(Message):
        afterwards(_send, message_id, status)


def _send(message_id: Any, status: str) -> None:
    message = Message.objects.using(router.db_for_write(Message)).filter(pk=message_id).first()
    if message is not None:
        BY_STATUS[status].send_robust(Message, message=message)
