"""Formats that count along: each piece tells how far the answer has come, for a viewer who joins in the middle too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from converse_stream.dialects.base import Dialect
from converse_stream.events import CONTENT_KINDS, Event


class CountedDialect(Dialect):
    """A format whose frames depend on all that was said before: everybody's encoder reads from the start."""

    def reads_from(self, position: int) -> int:
        """Return 0, or the place after the ending as it is."""
        return min(position, 0)


class CountedEncoder(ABC):
    """Counts everything, and tells what lies behind its viewer's position."""

    def __init__(self, position: int) -> None:
        self._position = position

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the frames of what the viewer has not seen."""
        return b"".join(map(self._event, events))

    def _event(self, event: Event) -> bytes:
        if event.kind not in CONTENT_KINDS or event.start >= self._position:
            return self.frame(event)
        if event.end <= self._position:
            self.count(event)
            return b""
        seen = event.data[: self._position - event.start]
        self.count(Event(event.message_id, event.kind, event.start, self._position, seen))
        return self.frame(event.since(self._position))

    @abstractmethod
    def count(self, event: Event) -> None:
        """Take note of a piece of content."""

    @abstractmethod
    def frame(self, event: Event) -> bytes:
        """Return the frame of an event, counted with the rest if it is content."""
