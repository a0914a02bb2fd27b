"""Cursors of the list: a place in the order of changes, so that pages do not shift while conversations go on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.http import Http404

from converse_stream.models import Conversation
from converse_stream.models.querysets import ConversationQuerySet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"([0-9]{1,16})\.([0-9a-f]{32})\Z", re.ASCII)


def cursor(conversation: Conversation) -> str:
    """Return the place of a conversation: when it changed last, in microseconds, and its id."""
    return f"{(conversation.updated_at - _EPOCH) // timedelta(microseconds=1)}.{conversation.pk.hex}"


def after(conversations: ConversationQuerySet, place: str | None) -> ConversationQuerySet:
    """Return what comes after a place, newest first; everything for None. Raise Http404 for what is no place."""
    ordered = conversations.order_by("-updated_at", "-pk")
    if place is None:
        return ordered
    match = _CURSOR.match(place)
    if match is None:
        raise Http404
    when, pk = _EPOCH + timedelta(microseconds=int(match[1])), UUID(hex=match[2])
    return ordered.filter(Q(updated_at__lt=when) | Q(updated_at=when, pk__lt=pk))
