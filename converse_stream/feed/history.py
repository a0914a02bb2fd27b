"""What the read path asks the database about conversations: all that are watched at once, or what one viewer missed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import router
from django.db.models import Q

from converse_stream.events import Event
from converse_stream.feed.reading import LARGEST_ENDING, start_event
from converse_stream.models import Conversation, Message, Role

PAGE = 50
"""Messages that are read at a time."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a conversation's row said."""

    revision: int
    number: int
    """The number of its last message."""
    title: str
    owner_id: Any
    is_deleted: bool
    as_of: float
    """Before when it was asked, by the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Missed:
    """What a viewer has missed, or a page of it."""

    facts: Facts | None
    """None: there is no such conversation."""
    messages: list[Message]


def facts(conversation_ids: Collection[str]) -> dict[str, Facts]:
    """Return what the rows of these conversations say. One query."""
    now = time.monotonic()
    rows = Conversation.objects.using(_using()).filter(pk__in=conversation_ids).order_by()
    columns = ("revision", "last_number", "title", "owner_id", "deleted_at")
    return {
        str(pk): Facts(revision, number, title, owner, deleted is not None, now)
        for pk, revision, number, title, owner, deleted in rows.values_list("pk", *columns)
    }


def later(numbers: Mapping[str, int]) -> list[Message]:
    """Return the messages after a number in each of these conversations, a page at most. One query for each page of
    conversations."""
    found: list[Message] = []
    for wanted in _pages(list(numbers.items())):
        where = Q()
        for conversation_id, number in wanted:
            where |= Q(conversation_id=conversation_id, number__gt=number)
        found += _visible().filter(where)[:PAGE]
    return found


def missed(conversation_id: str, number: int, live: Collection[int]) -> Missed:
    """Return the messages after a number, and those with the numbers in `live`. Two queries."""
    found = facts([conversation_id]).get(conversation_id)
    if found is None:
        return Missed(None, [])
    wanted = Q(number__gt=number) | Q(number__in=live)
    return Missed(found, list(_visible().filter(wanted, conversation_id=conversation_id)[:PAGE]))


def message_event(message: Message) -> Event:
    """Return what a viewer is told of a message that it has not seen yet: whole, or, if it is live, its beginning."""
    if message.is_live:
        return start_event(message)
    whole = message.to_dict(content=message.length <= LARGEST_ENDING)
    return Event(str(message.pk), "message", 0, message.length, {"message": whole})


def _visible() -> Any:
    rows = Message.objects.using(_using()).exclude(role=Role.SYSTEM)
    return rows.defer("timeline").order_by("number")


def _using() -> str:
    return router.db_for_write(Message)


def _pages(pairs: Sequence[tuple[str, int]]) -> Iterator[Sequence[tuple[str, int]]]:
    # SQLite takes no expression that is deeper than a thousand.
    for first in range(0, len(pairs), PAGE):
        yield pairs[first : first + PAGE]
