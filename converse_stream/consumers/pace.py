"""Pace: how fast a client may talk, and whether it reads what it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Allowance:
    """A store of frames that fills at a steady rate: a client may talk at length now and then, not all the time."""

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at = clock()

    def take(self, amount: float = 1.0) -> bool:
        """Take so much out of the store. Return whether there was any left."""
        now = self._clock()
        self._left = min(self._left + (now - self._at) * self._rate, self._burst)
        self._at = now
        has_some = self._left >= 1
        self._left -= amount if has_some else 0
        return has_some


MINUTE = 60.0


class Turns:
    """One frame at a time goes to the server, and how long it has been on its way is known.

    Whatever waits for its turn waits where it came from: in what the feed keeps once for all viewers.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._since: float | None = None
        self.unanswered = 0
        """Bytes sent, within a minute, since the client has last said anything: it may have read none of them."""
        self._counted_from = 0.0

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Have a turn, to send so many bytes."""
        async with self._lock:
            now = self._since = asyncio.get_running_loop().time()
            if now - self._counted_from > MINUTE:
                self.unanswered, self._counted_from = 0, now
            self.unanswered += size
            try:
                yield
            finally:
                self._since = None

    def waits_for(self, now: float) -> float:
        """Return for how many seconds the server has not taken the frame whose turn it is."""
        return 0.0 if self._since is None else now - self._since
