"""Pacing: an answer at a speed that can be read, or not more often than a page can be drawn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator

from converse_stream.events import TEXT_KINDS, Event
from converse_stream.transforms.base import Transform, check_seconds

BEAT = 0.05
"""Seconds between two looks of what is paced."""


class AtMostEvery(Transform):
    """Lets events through together, so many seconds after the last ones."""

    changes_content = False

    def __init__(self, seconds: float) -> None:
        self._seconds = check_seconds("seconds", seconds)
        self.interval = self._seconds

    def begin(self) -> None:
        """Hold nothing back; the first events go on at once."""
        self._held: list[Event] = []
        self._told_at = float("-inf")

    def feed(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield all that has come, if it is time or the answer has ended."""
        self._held += events
        now = time.monotonic()
        is_over = bool(self._held) and self._held[-1].is_ending
        if self._held and (is_over or now - self._told_at >= self._seconds):
            held, self._held, self._told_at = self._held, [], now
            yield from held


class Pace(Transform):
    """Lets text through at so many characters a second; what follows it waits for it."""

    changes_content = False
    interval = BEAT

    def __init__(self, characters_per_second: float) -> None:
        self._speed = check_seconds("characters_per_second", characters_per_second)

    def begin(self) -> None:
        """Hold nothing back."""
        self._held: deque[Event] = deque()
        self._began = 0.0
        self._allowance = 0.0

    def feed(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield what the time that has passed allows."""
        now = time.monotonic()
        # Only while something waits: a silence is nothing to catch up with.
        self._allowance = self._allowance + (now - self._began) * self._speed if self._held else BEAT * self._speed
        self._began = now
        self._held += events
        while self._held:
            event = self._held[0]
            room = int(self._allowance)
            if event.kind not in TEXT_KINDS or len(event.data) <= room:
                self._allowance -= len(event.data) if event.kind in TEXT_KINDS else 0
                yield self._held.popleft()
                continue
            if room > 0:
                middle = event.start + room
                yield Event(event.message_id, event.kind, event.start, middle, event.data[:room])
                self._held[0] = event.since(middle)
                self._allowance -= room
            return


def at_most_every(seconds: float) -> Transform:
    """Let text through at most every so many seconds: a page need not be drawn more often."""
    return AtMostEvery(seconds)


def pace(characters_per_second: float) -> Transform:
    """Let text through at the speed of typing, whatever the speed at which it comes."""
    return Pace(characters_per_second)
