"""Pace: when the recorder does what. A commit is due at once when little is going on, rarely when that saves most."""

from __future__ import annotations

import time

from converse_stream.conf import settings

BUSY = 8
"""Rows in a commit from which on it is worth waiting for more deltas in each."""
ENOUGH = 32
"""Deltas in a row from which on waiting longer saves little."""
LONGEST = 0.1
"""Seconds between the commits of a busy process while its rows hold only few deltas."""

LOOK_INTERVAL = 0.5
"""Seconds between looks at all live messages: a stop is noticed and leases are renewed while a provider is silent."""
STOP = 10.0
"""Seconds a process that exits waits for its last commit."""
PRUNE_INTERVAL = 60.0
IDLE = 5.0
"""Seconds without a live message after which the connection is closed."""
OUTAGE = 30.0
"""Seconds of a database outage after which the messages under way are ended as `store_unavailable`."""


class Pace:
    """The interval between commits, which follows what they hold; what is urgent waits for the shortest only."""

    def __init__(self) -> None:
        self.last = self._last_of_all = time.monotonic()
        """When the last commit began."""
        self._is_of_all = True
        self._interval = settings.FLUSH_INTERVAL

    def due(self, *, urgent: bool) -> float:
        """Return when the next commit should begin."""
        shortest: float = self.last + settings.FLUSH_INTERVAL
        return shortest if urgent else max(shortest, self._last_of_all + self._interval)

    def begin(self, *, of_all: bool) -> None:
        """Note that a commit begins: of everything, or of what was urgent."""
        self.last, self._is_of_all = time.monotonic(), of_all
        if of_all:
            self._last_of_all = self.last

    def learn(self, rows: int, deltas: int) -> None:
        """Take a longer or shorter interval after a commit of so many rows, made of so many deltas."""
        if not self._is_of_all:
            return
        shortest = settings.FLUSH_INTERVAL
        if rows >= BUSY and deltas < ENOUGH * rows:
            self._interval = min(self._interval * 1.25, max(LONGEST, shortest))
        else:
            self._interval = max(self._interval / 1.25, shortest)
