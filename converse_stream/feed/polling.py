"""Following without a feed, on the caller's own connection: nobody else sees what its transaction has written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from uuid import UUID

from django.db import connections, router

from converse_stream.conf import settings
from converse_stream.database import run
from converse_stream.events import Event
from converse_stream.exceptions import DatabaseHeld
from converse_stream.feed.reading import snapshot
from converse_stream.models import Message
from converse_stream.models.leases import end_lost


class Poll:
    """A viewer that reads for itself."""

    def __init__(self, message_id: UUID, position: int, beat: float | None) -> None:
        self.message_id = message_id
        self.position = position
        self.beat = beat
        self.is_over = False
        self._told = time.monotonic()
        self._has_started = False

    def read(self) -> list[Event] | None:
        """Return what is new; an empty list when a beat is due, None for nothing."""
        end_lost([self.message_id])
        found = snapshot(self.message_id, self.position)
        events = [event for event in found.all if not (self._has_started and event.kind == "start")]
        self.position, self.is_over, self._has_started = found.end, found.ending is not None, True
        now = time.monotonic()
        if events or (self.beat is not None and now - self._told >= self.beat):
            self._told = now
            return events
        return None


def polled(message_id: UUID, position: int, beat: float | None) -> Generator[list[Event], None, None]:
    """Yield batches of events, and an empty one at each beat."""
    poll = Poll(message_id, position, beat)
    while not poll.is_over:
        events = poll.read()
        if events is not None:
            yield events
        elif not poll.is_over:
            _check_waitable()
            time.sleep(settings.POLL_INTERVAL)


def _check_waitable() -> None:
    connection = connections[router.db_for_write(Message)]
    if connection.vendor == "sqlite" and connection.in_atomic_block:
        raise DatabaseHeld("on SQLite nothing can change while transaction.atomic() waits for it")


async def apolled(message_id: UUID, position: int, beat: float | None) -> AsyncGenerator[list[Event], None]:
    """Yield as `polled` does, in an event loop."""
    poll = Poll(message_id, position, beat)
    while not poll.is_over:
        events = await run(poll.read)
        if events is not None:
            yield events
        elif not poll.is_over:
            await asyncio.sleep(settings.POLL_INTERVAL)
