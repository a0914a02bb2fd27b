"""How long the record is kept: pruning what is old, and handing out or erasing what is one user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import router, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from converse_stream.conf import settings
from converse_stream.models import Attempt, Chunk, Conversation, Message
from converse_stream.models.committed import load_committed
from converse_stream.models.endings import cancel
from converse_stream.recorder import Statements

AT_ONCE = 50
"""Rows whose dependants are deleted in one transaction: nobody waits for it long."""
_OF_A_CALL = ("provider", "model", "outcome", "error_code", "input_tokens", "output_tokens", "cost", "started_at")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted."""

    messages: int
    """Messages that lost their chunk rows; their parts hold the same."""
    conversations: int


def prune() -> Pruned:
    """Delete chunks past CHUNK_RETENTION, and conversations deleted by their owners past DELETED_RETENTION_DAYS.

    Whoever reads meanwhile notices nothing: a live message keeps its chunks, an ended one is read from its parts.
    """
    statements = Statements(router.db_for_write(Message))
    messages = 0
    while pruned := statements.prune(AT_ONCE):
        messages += pruned
    messages += _prune_orphans(statements)
    return Pruned(messages, _prune_conversations())


def erase(user: AbstractBaseUser) -> int:
    """Delete all conversations that a user owns, for good, live ones and deleted ones too. Return how many.

    The user's own row is left to the site.
    """
    return _delete(Conversation.objects.using(router.db_for_write(Conversation)).owned_by(user))


def export(user: AbstractBaseUser) -> Iterator[dict[str, Any]]:
    """Yield everything that is recorded of a user, a conversation at a time, oldest first, as values for JSON."""
    using = router.db_for_write(Conversation)
    for conversation in Conversation.objects.using(using).owned_by(user).order_by("created_at", "pk").iterator():
        messages = list(conversation.messages.using(using).order_by("number").prefetch_related("attempts"))
        load_committed(messages)
        yield {
            "id": str(conversation.pk),
            "title": conversation.title,
            "system_prompt": conversation.system_prompt,
            "model": conversation.model,
            "options": conversation.options,
            "metadata": conversation.metadata,
            "created_at": conversation.created_at.isoformat(),
            "updated_at": conversation.updated_at.isoformat(),
            "deleted_at": conversation.deleted_at.isoformat() if conversation.deleted_at else None,
            "messages": [_message(message) for message in messages],
        }


def _message(message: Message) -> dict[str, Any]:
    attempts = message.attempts.all()
    return {
        **message.to_dict(),
        "metadata": message.metadata,
        "cost": None if message.cost is None else str(message.cost),
        "attempts": [{name: _value(getattr(attempt, name)) for name in _OF_A_CALL} for attempt in attempts],
    }


def _value(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int) else str(value)


def _prune_orphans(statements: Statements) -> int:
    """Delete chunks without a message: the database knows no bond between them."""
    there = Message.objects.using(statements.using).filter(pk=OuterRef("message_id"))
    orphans = Chunk.objects.using(statements.using).filter(~Exists(there)).order_by()
    count = 0
    while ids := list(orphans.values_list("message_id", flat=True).distinct()[:AT_ONCE]):
        statements.forget_chunks(ids)
        count += len(ids)
    return count


def _prune_conversations() -> int:
    days = settings.DELETED_RETENTION_DAYS
    if days is None:
        return 0
    rows = Conversation.objects.using(router.db_for_write(Conversation))
    return _delete(rows.filter(deleted_at__lt=Now() - timedelta(days=days)))


def _delete(conversations: QuerySet[Conversation]) -> int:
    count = 0
    while ids := list(conversations.order_by().values_list("pk", flat=True)[:AT_ONCE]):
        for pk in ids:
            _delete_one(pk, conversations.db)
        count += len(ids)
    return count


def _delete_one(pk: Any, using: str) -> None:
    # A live answer is stopped first: its writer hears of it, and writes nothing more.
    for message in Message.objects.using(using).filter(live_in=pk):
        cancel(message)
    messages = Message.objects.using(using).filter(conversation=pk)
    with transaction.atomic(using=using):
        # Without the cascade, which would load every row: children first.
        Chunk.objects.using(using).filter(message__in=messages).delete()
        Attempt.objects.using(using).filter(message__in=messages).delete()
        Conversation.objects.using(using).filter(pk=pk).delete()
