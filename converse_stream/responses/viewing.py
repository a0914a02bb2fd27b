"""Viewing: one viewer that converse_application serves, of whom nothing is left in Django."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Protocol

from converse_stream.access import Claim, Loss, get_rounds
from converse_stream.handover import Limits, Send
from converse_stream.limits import ViewerSlot

TICK = 5.0
"""Seconds between two looks at all viewers of an event loop."""
GOODBYE = 5.0
"""Seconds for the last words to a viewer that is sent away."""


class ViewedBody(Protocol):
    """A response's body that one viewer reads."""

    def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield what the viewer is sent."""

    def farewell(self) -> bytes:
        """Return what a viewer is told whose response ends before its time; empty where the end says enough."""

    def close(self) -> None:
        """Note that the viewer has left."""


class Viewing:
    """Streams a body; ends it when its client leaves, does not read, or may no longer look."""

    def __init__(self, body: ViewedBody, claim: Claim, slot: ViewerSlot | None, limits: Limits) -> None:
        self.access_interval = limits.access_interval
        self._slow_after = limits.slow_after
        self._body = body
        self._claim = claim
        self._slot = slot
        self._sends_since: float | None = None
        self._is_sent_away = False
        self._streaming: asyncio.Task[None] | None = None

    async def stream(self, gone: asyncio.Future[Any], send: Send) -> None:
        """Send the body, to its end or until the client is gone."""
        self._streaming, rounds = asyncio.create_task(self._send_all(send)), get_rounds(min(TICK, self._slow_after))
        rounds.join(self)
        try:
            await asyncio.wait({self._streaming, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._is_sent_away = True  # the server gives up waiting for its end
            raise
        finally:
            self._streaming.cancel()
            await asyncio.wait({self._streaming})
            await rounds.leave(self)
            if self._is_sent_away and self._streaming.cancelled() and not gone.done():
                await self._say_goodbye(send)
        if not self._streaming.cancelled():
            with suppress(OSError):  # the client has left
                self._streaming.result()

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        async with aclosing(self._body.parts()) as parts:
            async for part in parts:
                self._sends_since = loop.time()
                await send({"type": "http.response.body", "body": part, "more_body": True})
                self._sends_since = None
                del part  # whoever waits holds nothing of what was said
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _say_goodbye(self, send: Send) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await send({"type": "http.response.body", "body": self._body.farewell(), "more_body": False})

    def close(self) -> None:
        """Give back what the viewer holds."""
        self._body.close()
        if self._slot is not None:
            self._slot.release()

    # What the rounds ask for.

    def claim(self) -> Claim:
        """Return what this viewer takes for granted."""
        return self._claim

    def lose(self, loss: Loss) -> None:
        """Send the viewer away: it may not look any more, and is refused when it comes back."""
        self._end(is_sent_away=True)

    def check_pace(self, now: float) -> None:
        """Let go of a client that does not read."""
        if self._sends_since is not None and now - self._sends_since > self._slow_after:
            self._end(is_sent_away=False)

    def _end(self, *, is_sent_away: bool) -> None:
        if self._streaming is not None and not self._streaming.done():
            self._is_sent_away = is_sent_away
            self._streaming.cancel()
