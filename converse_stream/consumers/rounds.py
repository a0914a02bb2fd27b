"""Rounds: what is looked at, now and then, for all open sockets of an event loop at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from converse_stream import database
from converse_stream.consumers.access import Claim, Loss, losses

logger = logging.getLogger("converse_stream")

TICK = 0.25
"""Seconds between two looks at sockets that cannot send; the database is asked far less often."""


class Socket(Protocol):
    """What the rounds need to know of a socket."""

    access_interval: float

    def claim(self) -> Claim:
        """Return what the socket takes for granted."""

    def lose(self, loss: Loss) -> None:
        """Take away what the socket has lost."""

    def check_pace(self, now: float) -> None:
        """Find out whether the socket's client reads."""


class Rounds:
    """One task for all sockets; it is there as long as there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._sockets: set[Socket] = set()
        self._task: asyncio.Task[None] | None = None
        self._looked_at = loop.time()

    def join(self, socket: Socket) -> None:
        """Look after a socket."""
        self._sockets.add(socket)
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def leave(self, socket: Socket) -> None:
        """Look after a socket no longer."""
        self._sockets.discard(socket)
        if not self._sockets and self._task is not None:
            task, self._task = self._task, None
            _rounds.pop(self._loop, None)
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            sockets = list(self._sockets)
            await asyncio.sleep(min(TICK, *(socket.access_interval for socket in sockets)))
            now = self._loop.time()
            for socket in sockets:
                socket.check_pace(now)
            if now - self._looked_at >= min(socket.access_interval for socket in sockets):
                await self._check_access(sockets)
                self._looked_at = self._loop.time()

    async def _check_access(self, sockets: Sequence[Socket]) -> None:
        try:
            found = await database.run(losses, [socket.claim() for socket in sockets])
        except Exception:
            # Whoever was let in stays in while the database is away; the next round is soon, and must come.
            logger.warning("open sockets cannot be checked; trying again", exc_info=True)
            return
        for socket, loss in zip(sockets, found, strict=True):
            if socket in self._sockets and (loss.is_signed_out or loss.conversations):
                socket.lose(loss)


_rounds: dict[asyncio.AbstractEventLoop, Rounds] = {}


def get_rounds() -> Rounds:
    """Return the rounds of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _rounds:
        _rounds[loop] = Rounds(loop)
    return _rounds[loop]
