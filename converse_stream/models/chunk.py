"""Chunk: what a live message said between two commits, and how chunks are read back."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
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
    """Return what is committed of one live message from position `after` on, neighbouring texts joined. One query."""
    rows = Chunk.objects.using(using).filter(message_id=message_id, end__gt=after).order_by("start")
    return [event.since(after) for event in _joined(str(message_id), rows.values_list(*ROW[1:]))]


def read_many(message_ids: Iterable[UUID | str], *, using: str | None) -> dict[str, list[Event]]:
    """Return the committed events of several live messages, neighbouring texts joined. One query."""
    rows = Chunk.objects.using(using).filter(message_id__in=list(message_ids)).order_by("message_id", "start")
    by_message = groupby(rows.values_list(*ROW), itemgetter(0))
    return {str(pk): list(_joined(str(pk), (row[1:] for row in found))) for pk, found in by_message}


def _joined(message_id: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[Event]:
    # Of a long answer there are a hundred thousand rows: nothing is done for each that can be done for all.
    for kind, run in groupby(rows, itemgetter(0)):
        if kind in TEXT_KINDS:
            _kinds, starts, ends, texts = zip(*run, strict=True)
            yield Event(message_id, kind, starts[0], ends[-1], "".join(texts))
        else:
            yield from (to_event(message_id, *row) for row in run)
