"""Rounds: what is looked at, now and then, for all open connections of an event loop at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from converse_stream import database
from converse_stream.access.claims import Claim, Loss, losses

logger = logging.getLogger("converse_stream")

TICK = 0.25
"""Seconds between two looks at connections that cannot send; the database is asked far less often."""
AT_A_TIME = 500
"""Claims that are looked at in one go: no query is for more."""


class Connection(Protocol):
    """What the rounds need to know of a socket or a stream."""

    access_interval: float
    """Seconds after which it is noticed, at the latest, that somebody has lost the right to look."""

    def claim(self) -> Claim:
        """Return what the connection takes for granted."""

    def lose(self, loss: Loss) -> None:
        """Take away what the connection has lost."""

    def check_pace(self, now: float) -> None:
        """Find out whether the connection's client reads."""


class Rounds:
    """One task for all connections; it is there as long as there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tick: float) -> None:
        self._loop = loop
        self._tick = tick
        self._connections: set[Connection] = set()
        self._task: asyncio.Task[None] | None = None
        self._looked_at = loop.time()

    def join(self, connection: Connection) -> None:
        """Look after a connection."""
        self._connections.add(connection)
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def leave(self, connection: Connection) -> None:
        """Look after a connection no longer."""
        self._connections.discard(connection)
        if not self._connections and self._task is not None:
            task, self._task = self._task, None
            _rounds.pop((self._loop, self._tick), None)
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            connections = list(self._connections)
            await asyncio.sleep(min(self._tick, *(connection.access_interval for connection in connections)))
            now = self._loop.time()
            for connection in connections:
                connection.check_pace(now)
            if now - self._looked_at >= min(connection.access_interval for connection in connections):
                for first in range(0, len(connections), AT_A_TIME):
                    await self._check_access(connections[first : first + AT_A_TIME])
                self._looked_at = self._loop.time()

    async def _check_access(self, connections: Sequence[Connection]) -> None:
        try:
            found = await database.run(losses, [connection.claim() for connection in connections])
        except Exception:
            # Whoever was let in stays in while the database is away; the next round is soon, and must come.
            logger.warning("open connections cannot be checked; trying again", exc_info=True)
            return
        for connection, loss in zip(connections, found, strict=True):
            if connection in self._connections and (loss.is_signed_out or loss.conversations):
                connection.lose(loss)


_rounds: dict[tuple[asyncio.AbstractEventLoop, float], Rounds] = {}


def get_rounds(tick: float = TICK) -> Rounds:
    """Return the rounds of the running event loop that look every `tick` seconds."""
    key = asyncio.get_running_loop(), tick
    if key not in _rounds:
        _rounds[key] = Rounds(*key)
    return _rounds[key]
