"""How messages come into a conversation: numbered without races, at most one of them live."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections, router, transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from converse_stream.cleaning import LONGEST_MODEL, clean_json, clean_name, clean_text
from converse_stream.conf import settings
from converse_stream.exceptions import (
    ContentTooLong,
    ConversationBusy,
    InvalidContent,
    ReservedMetadata,
    TooManyAnswers,
)
from converse_stream.models.choices import Role, Status
from converse_stream.models.conversation import Conversation
from converse_stream.models.endings import announce_messages, cancel
from converse_stream.models.figures import RESERVED
from converse_stream.models.history import leaf
from converse_stream.models.idempotency import AskedBefore, ClientRequest
from converse_stream.models.leases import end_lost
from converse_stream.models.message import Message


def check_parent(**messages: object) -> None:
    """Raise TypeError for what is no message, though the next one shall follow it or be put beside it."""
    for name, message in messages.items():
        if message is not None and not isinstance(message, Message):
            raise TypeError(f"{name} must be a Message, not {type(message).__name__}")


def check_content(content: object) -> str:
    """Return `content` as it will be stored. Raise InvalidContent or ContentTooLong."""
    if not isinstance(content, str):
        raise InvalidContent(f"content must be str, not {type(content).__name__}")
    if not content.strip():
        raise InvalidContent("content is empty")
    limit = settings.MAX_PROMPT_CHARS
    if len(content) > limit:
        raise ContentTooLong(f"content has {len(content)} characters; MAX_PROMPT_CHARS is {limit}")
    return clean_text(content)


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return caller metadata as it will be stored. Raise ReservedMetadata."""
    reserved = RESERVED.intersection(metadata or ())
    if reserved:
        raise ReservedMetadata(f"metadata keys written by converse_stream itself: {', '.join(sorted(reserved))}")
    cleaned: dict[str, Any] = clean_json(dict(metadata or {}))
    return cleaned


def add_message(
    conversation: Conversation,
    role: str,
    content: str,
    *,
    parent: Message | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Message:
    """Append a finished message; see Conversation.add_message."""
    if role not in Role.values:
        raise InvalidContent(f"role must be one of {', '.join(Role.values)}, not {role!r}")
    check_parent(parent=parent)
    message = finished(role, check_content(content), metadata=check_metadata(metadata))
    insert(conversation, [message], parent=parent)
    return message


aadd_message = sync_to_async(add_message)


def finished(role: str, content: str, *, metadata: dict[str, Any]) -> Message:
    """Return a complete message, not yet saved."""
    return Message(
        role=role,
        content=content,
        parts=[{"type": "text", "text": content}],
        metadata=metadata,
        length=len(content),
        finished_at=timezone.now(),
    )


def live(*, provider: str, model: str, metadata: dict[str, Any]) -> Message:
    """Return an answer that is streaming and leased by this process, not yet saved. Raise TypeError or ValueError."""
    return Message(
        role=Role.ASSISTANT,
        status=Status.STREAMING,
        provider=provider,
        model=clean_name(model, "model", LONGEST_MODEL),
        metadata=metadata,
        started_at=timezone.now(),
        lease_holder=secrets.token_hex(16),
        claims=1,
    )


def insert(
    conversation: Conversation,
    messages: list[Message],
    *,
    parent: Message | None = None,
    beside: Message | None = None,
    interrupt: bool = False,
    request: ClientRequest | None = None,
) -> None:
    """Save messages as the next ones of the conversation, each the child of the one before.

    The first follows `parent`, or what the message `beside` it follows, or else the newest leaf.
    Raise ConversationBusy if the conversation has a live answer, unless `interrupt` stops it first,
    AskedBefore if the client's request has an answer, and TooManyAnswers for one answer too many.
    """
    using = router.db_for_write(Message)
    if parent is not None and parent.conversation_id != conversation.pk:
        raise InvalidContent("parent is a message of another conversation")
    with transaction.atomic(using=using):
        number = _reserve(conversation, len(messages), using)
        _check_request(conversation, request)
        _make_room(conversation, using, interrupt=interrupt)
        if any(message.is_live for message in messages):
            _check_limit(conversation, using)
        parent = beside.parent if beside else parent or leaf(conversation, using=using)
        for message in messages:
            number += 1
            message.conversation, message.number, message.parent = conversation, number, parent
            if message.is_live:
                message.live_in = conversation
                message.lease_expires_at = lease_end()
            message.save(using=using, force_insert=True)
            message.lease_expires_at = None
            parent = message
        transaction.on_commit(partial(announce_messages, conversation.pk), using=using)


def lease_end() -> Combinable:
    """Return when a lease that begins now ends, by the database's own clock."""
    return Now() + timedelta(seconds=settings.LEASE)


def _reserve(conversation: Conversation, count: int, using: str) -> int:
    # A write first: it takes the conversation's row lock (on SQLite the database's), and numbers cannot collide.
    rows = Conversation.objects.using(using).filter(pk=conversation.pk, deleted_at=None)
    changed = rows.update(last_number=F("last_number") + count, revision=F("revision") + 1, updated_at=timezone.now())
    if not changed:
        raise Conversation.DoesNotExist(f"conversation {conversation.pk} does not exist")
    conversation.refresh_from_db(using=using, fields=["last_number", "revision"])
    return conversation.last_number - count


def _check_request(conversation: Conversation, request: ClientRequest | None) -> None:
    # Behind the conversation's lock: whoever asked first has committed.
    answer = request.answer(conversation) if request else None
    if answer is not None:
        raise AskedBefore(answer)


def _make_room(conversation: Conversation, using: str, *, interrupt: bool) -> None:
    blocking = Message.objects.using(using).filter(live_in=conversation).first()
    if blocking is None or end_lost([blocking.pk]):
        return
    if not interrupt:
        raise ConversationBusy(
            f"message {blocking.pk} is still being written; add the user's message before its answer starts, "
            "wait for the answer, stop it, or ask with interrupt=True",
            live_message=blocking.pk,
        )
    cancel(blocking)


def _check_limit(conversation: Conversation, using: str) -> None:
    limit, owner = settings.MAX_LIVE_ANSWERS_PER_USER, conversation.owner_id
    if limit is None or owner is None:
        return
    # In the owner's other conversations the same may be going on: one after the other (SQLite has one writer anyway).
    no_key = connections[using].features.has_select_for_no_key_update
    list(get_user_model()._base_manager.using(using).select_for_update(no_key=no_key).filter(pk=owner).values("pk"))
    live = set(Message.objects.using(using).filter(live_in__owner=owner).values_list("pk", flat=True))
    if len(live) >= limit and len(live.difference(end_lost(live))) >= limit:
        raise TooManyAnswers(f"MAX_LIVE_ANSWERS_PER_USER is {limit}")
