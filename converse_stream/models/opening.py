"""How messages come into a conversation: numbered without races, at most one of them live."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import connections, router, transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from converse_stream.cleaning import LONGEST_MODEL, clean_name
from converse_stream.conf import settings
from converse_stream.database import afterwards
from converse_stream.exceptions import (
    ConversationBusy,
    InvalidContent,
    SiteFull,
    TooManyAnswers,
)
from converse_stream.models.choices import Role, Status
from converse_stream.models.claims import lease_end
from converse_stream.models.conversation import Conversation
from converse_stream.models.endings import announce_messages, cancel
from converse_stream.models.history import leaf
from converse_stream.models.idempotency import AskedBefore, ClientRequest
from converse_stream.models.items import said, to_messages
from converse_stream.models.leases import end_lost, recover_now_and_then
from converse_stream.models.message import Message
from converse_stream.rendering import PromptTemplate


def check_parent(**messages: object) -> None:
    """Raise TypeError for what is no message, though the next one shall follow it or be put beside it."""
    for name, message in messages.items():
        if message is not None and not isinstance(message, Message):
            raise TypeError(f"{name} must be a Message, not {type(message).__name__}")


def add_message(
    conversation: Conversation,
    role: str,
    content: str | PromptTemplate,
    *,
    parent: Message | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Message:
    """Append a finished message; see Conversation.add_message."""
    check_parent(parent=parent)
    message = said(role, content, metadata)
    insert(conversation, [message], parent=parent)
    return message


aadd_message = sync_to_async(add_message)


def add_messages(conversation: Conversation, items: Iterable[Any], *, parent: Message | None = None) -> list[Message]:
    """Append finished messages, all of them or none; see Conversation.add_messages."""
    check_parent(parent=parent)
    messages = to_messages(items)
    if messages:
        insert(conversation, messages, parent=parent, at_once=True)
    return messages


aadd_messages = sync_to_async(add_messages)


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
    at_once: bool = False,
    within: Message | None = None,
) -> None:
    """Save messages as the next ones of the conversation, each the child of the one before.

    In one statement where nobody listens to Django's signals of each; with `at_once` also where somebody does.

    The first follows `parent`, or what the message `beside` it follows, or else the newest leaf.
    A live one takes the conversation's one live place, unless it is part of the answer `within` which has it.
    Raise ConversationBusy if the conversation has a live answer, unless `interrupt` stops it first,
    AskedBefore if the client's request has an answer, TooManyAnswers for one answer too many of the owner's, and
    SiteFull for one too many of all.
    """
    using = router.db_for_write(Message)
    if parent is not None and parent.conversation_id != conversation.pk:
        raise InvalidContent("parent is a message of another conversation")
    with transaction.atomic(using=using):
        number = _reserve(conversation, len(messages), using)
        _check_request(conversation, request)
        if within is None:
            _make_room(conversation, using, interrupt=interrupt, is_empty=number == 0)
            if any(message.is_live for message in messages):
                _check_limit(conversation, using)
                _check_site(using)
        if beside:
            parent = beside.parent
        elif parent is None and number:
            parent = leaf(conversation, using=using)
        for message in messages:
            number += 1
            message.conversation, message.number, message.parent = conversation, number, parent
            if message.is_live:
                message.live_in = None if within else conversation
                message.lease_expires_at = lease_end()
            parent = message
        _save(messages, using, at_once=at_once)
        transaction.on_commit(partial(announce_messages, conversation.pk), using=using)


def _save(messages: list[Message], using: str, *, at_once: bool) -> None:
    if at_once or not any(signal.has_listeners(Message) for signal in (pre_save, post_save)):
        Message.objects.using(using).bulk_create(messages)
    else:
        for message in messages:
            message.save(using=using, force_insert=True)
    for message in messages:
        message.lease_expires_at = None  # the database knows it


def _reserve(conversation: Conversation, count: int, using: str) -> int:
    # A write first: it takes the conversation's row lock (on SQLite the database's), and numbers cannot collide.
    rows = Conversation.objects.using(using).filter(pk=conversation.pk, deleted_at=None)
    changed = rows.update(last_number=F("last_number") + count, revision=F("revision") + 1, updated_at=timezone.now())
    if not changed:
        raise Conversation.DoesNotExist(f"conversation {conversation.pk} does not exist")
    conversation.last_number, conversation.revision = rows.values_list("last_number", "revision").get()
    return conversation.last_number - count


def _check_request(conversation: Conversation, request: ClientRequest | None) -> None:
    # Behind the conversation's lock: whoever asked first has committed.
    answer = request.answer(conversation) if request else None
    if answer is not None:
        raise AskedBefore(answer)


def _make_room(conversation: Conversation, using: str, *, interrupt: bool, is_empty: bool) -> None:
    blocking = None if is_empty else Message.objects.using(using).filter(live_in=conversation).first()
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


def _check_site(using: str) -> None:
    limit = settings.MAX_LIVE_ANSWERS
    if limit is None:
        return
    # All who ask come by one row, one after the other, and count what the one before has committed.
    no_key = connections[using].features.has_select_for_no_key_update
    ours = ContentType.objects.using(using).select_for_update(no_key=no_key)
    list(ours.filter(app_label=Message._meta.app_label, model=Message._meta.model_name).values("pk"))
    if Message.objects.using(using).filter(live_in__isnull=False).count() >= limit:
        afterwards(recover_now_and_then)  # some of them may have lost their writers, and nobody may be looking
        raise SiteFull(f"MAX_LIVE_ANSWERS is {limit}")
