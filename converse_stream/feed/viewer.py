"""Viewer: a position in a message and a way to be woken. It holds no connection and no thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from converse_stream.events import Event
from converse_stream.feed.tail import Tail


class Viewer:
    """Somebody who follows a message; waits in the thread that reads."""

    def __init__(self) -> None:
        self.position = 0
        self.tail: Tail | None = None
        self._news = threading.Event()

    def wake(self) -> None:
        """Say that there is something to take. Called from the feed's thread."""
        self._news.set()

    def wait(self, seconds: float | None) -> bool:
        """Wait for something to take, `seconds` at most. Return whether there is."""
        is_news = self._news.wait(seconds)
        self._news.clear()
        return is_news

    def seen(self, events: Iterable[Event]) -> None:
        """Move on behind these events."""
        for event in events:
            self.position = event.end


class AsyncViewer(Viewer):
    """A viewer that waits in an event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._anews = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something to take. Called in the viewer's own loop."""
        self._anews.set()

    async def await_news(self, seconds: float | None) -> bool:
        """Wait for something to take, `seconds` at most. Return whether there is."""
        try:
            async with asyncio.timeout(seconds):
                await self._anews.wait()
        except TimeoutError:
            return False
        self._anews.clear()
        return True


def wake_all(viewers: Iterable[Viewer]) -> None:
    """Wake viewers, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[AsyncViewer]] = {}
    for viewer in viewers:
        if isinstance(viewer, AsyncViewer):
            loops.setdefault(viewer.loop, []).append(viewer)
        else:
            viewer.wake()
    for loop, waiting in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_wake, waiting)


def _wake(viewers: Iterable[AsyncViewer]) -> None:
    for viewer in viewers:
        viewer.wake()
