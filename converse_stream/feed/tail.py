"""Tail: the committed events that this process holds of one followed message."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from converse_stream.events import Event, merge

if TYPE_CHECKING:
    from converse_stream.feed.viewer import Viewer

PORTION = 262_144
"""Units that a viewer takes at a time, or one event."""


class Tail:
    """Append-only, shared by all viewers. The feed's lock guards it."""

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        self.base: int | None = None
        """Where the list begins; older positions are read from the database."""
        self.end: int | None = None
        self.ending: Event | None = None
        self.is_gone = False
        """The message was deleted."""
        self.has_missed = False
        """A read passed by before the list had begun."""
        self.viewers: set[Viewer] = set()
        self.left_at = time.monotonic()
        self.fed_at = -math.inf
        """When a recorder of this process last committed to the message."""
        self._events: list[Event] = []
        self._ends: list[int] = []
        self._merged: tuple[tuple[int, int], list[Event]] = ((0, 0), [])
        """What was merged last, and from which position to which event: viewers that are behind are so together."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.is_gone or self.ending is not None

    def begin(self, position: int) -> bool:
        """Let the list begin at a committed position, if it has not begun yet. Return whether it has to catch up."""
        if self.end is not None:
            return False
        self.base = self.end = position
        return self.has_missed

    def apply(self, events: Sequence[Event]) -> bool:
        """Append what continues the list. Return False when there is a gap before it."""
        for event in events:
            if self.end is None:
                self.base = self.end = event.start
            if event.end <= self.end:
                continue
            if event.start > self.end:
                return False
            self._events.append(event.since(self.end))
            self._ends.append(event.end)
            self.end = event.end
        return True

    def covers(self, position: int) -> bool:
        """Whether a viewer at this position needs no database."""
        return self.base is not None and self.end is not None and self.base <= position <= self.end

    def since(self, position: int) -> list[Event]:
        """Return the events after a position, merged where more than two wait, and the ending once all is seen.

        Of a long text only so much at a time that a viewer which reads slowly does not hold all of it.
        """
        first = bisect_right(self._ends, position)
        last = max(bisect_right(self._ends, position + PORTION), first + 1)
        events = self._events[first:last]
        if events:
            events[0] = events[0].since(position)
        if len(events) > 2:
            if self._merged[0] != (position, last):
                self._merged = (position, last), list(merge(events))
            events = self._merged[1][:]
        if self.ending is not None and last >= len(self._events):
            events.append(self.ending)
        return events
