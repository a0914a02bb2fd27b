"""Chunk: what a live message said between two commits, and how chunks are read back."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import models

from converse_stream.events import TEXT_KINDS, Event
from converse_stream.models.message import Message


class Chunk(models.Model):
    """A stored row of a message: its content at the positions `[start, end)`. Written by the recorder only."""

    pk = models.CompositePrimaryKey("message_id", "start")
    message = models.ForeignKey(
        Message,
        models.CASCADE,
        related_name="chunks",
        db_constraint=False,  # the recorder's fence proves that the message is there
        db_index=False,  # the primary key begins with it
    )
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    kind = models.CharField(max_length=16)
    data = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("start",)

    def __str__(self) -> str:
        return f"{self.kind} [{self.start}, {self.end})"


ROW = ("message_id", "kind", "start", "end", "data")


def to_event(message_id: UUID | str, kind: str, start: int, end: int, data: str) -> Event:
    """Return the event that a row of `ROW` columns stores."""
    value: Any = data if kind in TEXT_KINDS else json.loads(data)
    return Event(str(message_id), kind, start, end, value)


def read_events(message_id: UUID | str, *, after: int = 0, using: str) -> list[Event]:
    """Return the committed events of one live message from position `after` on, in order. One query."""
    rows = Chunk.objects.using(using).filter(message_id=message_id, end__gt=after).order_by("start")
    return [to_event(*row).since(after) for row in rows.values_list(*ROW)]


def read_many(message_ids: Iterable[UUID | str], *, using: str | None) -> dict[str, list[Event]]:
    """Return the committed events of several live messages. One query."""
    events: dict[str, list[Event]] = {}
    rows = Chunk.objects.using(using).filter(message_id__in=list(message_ids)).order_by("message_id", "start")
    for row in rows.values_list(*ROW):
        event = to_event(*row)
        events.setdefault(event.message_id, []).append(event)
    return events
