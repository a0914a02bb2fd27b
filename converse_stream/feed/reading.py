"""What the read path asks the database: status before rows, so that the last rows are never missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, router
from django.db.models import Max

from converse_stream.events import ENDINGS, TEXT_KINDS, Event, merge, unfold
from converse_stream.feed.cursor import AFTER_ENDING
from converse_stream.models import Chunk, Message
from converse_stream.models.chunk import ROW, read_events, to_event

LARGEST_TEXT = 262_144
"""Characters of one event that was read from the database."""
LARGEST_ENDING = 1_048_576
"""Characters of content that an ending carries; a longer message is read over REST."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read found of a message from a position on."""

    events: list[Event]
    """Content from the position on, merged; before it `start`, or `reset` where the position cannot be honoured."""
    end: int
    ending: Event | None

    @property
    def all(self) -> list[Event]:
        """The events with the ending, if there is one."""
        return [*self.events, self.ending] if self.ending else self.events


def snapshot(message_id: UUID | str, after: int) -> Snapshot:
    """Read a message from a position on. Two queries at most (three for a position nobody gave out)."""
    using = router.db_for_write(Message)
    message = Message.objects.using(using).get(pk=message_id)
    if not message.is_live:
        return finished(message, after)
    content = [] if after == AFTER_ENDING else read_events(message_id, after=after, using=using)
    if not content and after:
        # Nothing is there yet; or it ended since, and its rows are gone; or nobody ever gave out this position.
        message = Message.objects.using(using).get(pk=message_id)
        if not message.is_live:
            return finished(message, after)
        if after == AFTER_ENDING or after > _committed_end(message_id, using):
            return _from(message, "reset", read_events(message_id, using=using))
    return _from(message, "" if after else "start", content, after)


def finished(message: Message, after: int) -> Snapshot:
    """Return what a finished message holds from a position on, and its ending."""
    ending = ending_event(message)
    if after == AFTER_ENDING:
        return Snapshot([], message.length, ending)
    kind = "reset" if after > message.length else "" if after else "start"
    position = 0 if kind else after
    found = _from(message, kind, list(unfold(str(message.pk), message.parts, position)), position)
    return Snapshot(found.events, message.length, ending)


def _from(message: Message, kind: str, content: list[Event], after: int = 0) -> Snapshot:
    first = [start_event(message, kind)] if kind else []
    return Snapshot([*first, *_cut(merge(content))], content[-1].end if content else after, None)


def _cut(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events with long texts in pieces: a transport holds one at a time for a viewer that reads slowly."""
    for event in events:
        if event.kind not in TEXT_KINDS or len(event.data) <= LARGEST_TEXT:
            yield event
            continue
        for start in range(event.start, event.end, LARGEST_TEXT):
            end = min(start + LARGEST_TEXT, event.end)
            yield Event(event.message_id, event.kind, start, end, event.data[start - event.start : end - event.start])


def start_event(message: Message, kind: str = "start") -> Event:
    """Return what a viewer is told at position 0."""
    return Event(str(message.pk), kind, 0, 0, {"message": message.to_dict(content=False)})


def _committed_end(message_id: UUID | str, using: str) -> int:
    end = Chunk.objects.using(using).filter(message_id=message_id).aggregate(end=Max("end"))["end"]
    return int(end or 0)


def ending_event(message: Message) -> Event:
    """Return the ending that a finished message's row tells."""
    data: dict[str, Any] = {"message": message.to_dict(content=message.length <= LARGEST_ENDING)}
    error = message.public_error()
    if error:
        data["error"] = error
    return Event(str(message.pk), message.status, message.length, message.length, data)


def statuses(message_ids: Iterable[str]) -> dict[str, str]:
    """Return the status of those messages that exist."""
    rows = Message.objects.using(router.db_for_write(Message)).filter(pk__in=list(message_ids))
    return {str(pk): status for pk, status in rows.values_list("pk", "status")}


def endings(message_ids: Iterable[str]) -> list[Message]:
    """Return the whole rows of ended messages."""
    rows = Message.objects.using(router.db_for_write(Message)).filter(pk__in=list(message_ids))
    return [message for message in rows if message.status in ENDINGS]


def news(positions: Mapping[str, int]) -> dict[str, list[Event]]:
    """Return what is committed of each message from its position, an end of a row, on. One statement for all."""
    using = router.db_for_write(Message)
    connection = connections[using]
    if connection.vendor not in ("postgresql", "sqlite"):
        return {pk: read_events(pk, after=position, using=using) for pk, position in positions.items()}
    quote = connection.ops.quote_name
    columns = ", ".join(f"chunk.{quote(name)}" for name in ROW)
    key, at = "wanted.column1", "wanted.column2"
    if connection.vendor == "postgresql":
        key, at = f"CAST({key} AS uuid)", f"CAST({at} AS integer)"
    sql = (
        f"SELECT {columns} FROM (VALUES {', '.join(['(%s, %s)'] * len(positions))}) AS wanted "
        f"JOIN {quote(Chunk._meta.db_table)} AS chunk ON chunk.message_id = {key} AND chunk.start >= {at} "
        "ORDER BY chunk.message_id, chunk.start"
    )
    field = Message._meta.pk
    values = [value for pk, end in positions.items() for value in (field.get_db_prep_value(pk, connection), end)]
    events: dict[str, list[Event]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for message_id, *rest in cursor.fetchall():
            event = to_event(UUID(str(message_id)), *rest)
            events.setdefault(event.message_id, []).append(event)
    return events
