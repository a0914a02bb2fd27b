"""Viewer: a position in a message and a way to be woken. It holds no connection and no thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress

from converse_stream.events import Event
from converse_stream.feed.tail import Tail


class Viewer:
    """Somebody who follows a message; waits in the thread that reads."""

    loop: asyncio.AbstractEventLoop | None = None
    """The event loop that it waits in, if it does."""
    position = 0
    tail: Tail | None = None
    is_woken = False
    """Whether it knows that there is something to take: it needs no second word before it takes that."""

    def __init__(self) -> None:
        self._news = threading.Event()

    def wake(self) -> None:
        """Say that there is something to take."""
        self._news.set()

    def wait(self, seconds: float | None) -> bool:
        """Wait for something to take, `seconds` at most. Return whether there is."""
        is_news = self._news.wait(seconds)
        self._news.clear()
        self.is_woken = False
        return is_news

    def seen(self, events: Iterable[Event]) -> None:
        """Move on behind these events."""
        for event in events:
            self.position = event.end


class AsyncViewer(Viewer):
    """A viewer that waits in an event loop."""

    def __init__(self) -> None:
        # Without the sync viewer's event, which would be a tenth of what an idle viewer takes of the memory.
        self.loop = self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Say that there is something to take. Called in the viewer's own loop."""
        if self.is_woken:  # and has not noticed by itself meanwhile
            self._go_on()

    async def await_news(self, seconds: float | None) -> bool:
        """Wait for something to take, `seconds` at most. Return whether there is."""
        if not self.is_woken:
            self._waiter = self._loop.create_future()
            if seconds is not None:
                self._set_timer(seconds)
            await self._waiter
        if not self.is_woken:
            return False
        self.is_woken = False
        return True

    def close(self) -> None:
        """Leave nothing behind in the event loop."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, seconds: float) -> None:
        # One timer for many waits: one for each would cost more than all the rest of a wait.
        self._until = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() < self._until:
            self._timer = self._loop.call_at(self._until, self._ring)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def wake_all(viewers: Iterable[Viewer]) -> None:
    """Wake viewers, from any thread, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Viewer]] = {}
    for viewer in viewers:
        if viewer.is_woken:
            continue
        viewer.is_woken = True
        if viewer.loop is None:
            viewer.wake()
        else:
            loops.setdefault(viewer.loop, []).append(viewer)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop is closed: its viewers are gone
            loop.call_soon_threadsafe(_wake, waiting)


def _wake(viewers: Iterable[Viewer]) -> None:
    for viewer in viewers:
        viewer.wake()
