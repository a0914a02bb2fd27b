"""Soft deletion: a conversation with `deleted_at` is nobody's, until it is restored."""

from __future__ import annotations

from functools import partial

from asgiref.sync import sync_to_async
from django.db import router, transaction
from django.db.models import F
from django.utils import timezone

from converse_stream.models.conversation import Conversation
from converse_stream.models.endings import announce_messages, cancel
from converse_stream.models.message import Message


def soft_delete(conversation: Conversation) -> bool:
    """Take a conversation away from its owner and stop its live answer; see Conversation.soft_delete."""
    using, now = router.db_for_write(Message), timezone.now()
    rows = Conversation.objects.using(using).filter(pk=conversation.pk, deleted_at=None)
    with transaction.atomic(using=using):
        # A write first: from here on nobody can ask in this conversation.
        deleted = rows.update(deleted_at=now, updated_at=now, revision=F("revision") + 1)
        for message in Message.objects.using(using).filter(live_in=conversation.pk) if deleted else ():
            cancel(message)
    conversation.refresh_from_db(using=using, fields=["deleted_at", "updated_at", "revision"])
    return bool(deleted)


asoft_delete = sync_to_async(soft_delete)


def restore(conversation: Conversation) -> bool:
    """Give a deleted conversation back; see Conversation.restore."""
    using = router.db_for_write(Message)
    rows = Conversation.objects.using(using).filter(pk=conversation.pk, deleted_at__isnull=False)
    restored = rows.update(deleted_at=None, updated_at=timezone.now(), revision=F("revision") + 1)
    conversation.refresh_from_db(using=using, fields=["deleted_at", "updated_at", "revision"])
    return bool(restored)


arestore = sync_to_async(restore)


def clear(conversation: Conversation) -> int:
    """Delete a conversation's messages; see Conversation.clear."""
    using = router.db_for_write(Message)
    with transaction.atomic(using=using):
        # A write first: it takes the conversation's lock, and who watches it learns that something has changed.
        changed = Conversation.objects.using(using).filter(pk=conversation.pk)
        changed.update(revision=F("revision") + 1, updated_at=timezone.now())
        messages = Message.objects.using(using).filter(conversation=conversation.pk)
        for message in messages.filter(live_in=conversation.pk):
            cancel(message)
        count = messages.count()
        messages.delete()
        transaction.on_commit(partial(announce_messages, conversation.pk), using=using)
    conversation.refresh_from_db(using=using, fields=["updated_at", "revision"])
    return count


aclear = sync_to_async(clear)
