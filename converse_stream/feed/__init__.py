"""The read path: follow committed messages, from any position, any number of viewers at a time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from uuid import UUID

from django.db import connections, router

from converse_stream.brokers import configured, local
from converse_stream.conf import settings
from converse_stream.database import release, run
from converse_stream.events import Event
from converse_stream.exceptions import NotStarted
from converse_stream.feed.cursor import AFTER_ENDING, parse
from converse_stream.feed.feed import Feed
from converse_stream.feed.reading import snapshot, start_event
from converse_stream.feed.viewer import AsyncViewer, Viewer
from converse_stream.models import Message
from converse_stream.models.leases import end_lost

__all__ = ["AFTER_ENDING", "abatches", "afollow", "await_ending", "batches", "follow", "parse", "stop", "wait"]

_feed: Feed | None = None


def get_feed() -> Feed:
    """Return the process's feed."""
    global _feed
    if _feed is None:
        _feed = Feed()
        local.listen(on_committed=_feed.on_committed, on_hint=_feed.on_hint)
        configured()  # begins to listen
    return _feed


def stop() -> None:
    """End the feed's thread."""
    if _feed is not None:
        _feed.stop()


def _forget() -> None:
    global _feed
    _feed = None


os.register_at_fork(after_in_child=_forget)


def batches(message: Message, after: int | str = 0, *, beat: float | None = None) -> Iterator[list[Event]]:
    """Yield what happens in a message from a position or cursor on, as it is committed, up to its ending.

    Every `beat` seconds without news an empty list. Raise MalformedCursor, NotStarted or, when the message
    is deleted, Message.DoesNotExist.
    """
    position = _begin(message, after)
    if _is_inline():
        yield from _polled(message.pk, position, beat)
        return
    feed, viewer = get_feed(), Viewer()
    try:
        if feed.join(viewer, str(message.pk), position):
            found = snapshot(message.pk, position)
            feed.begin(viewer, found.end)
            yield found.all
            if found.ending:
                return
        elif position == 0:
            yield [start_event(message)]
        release()
        is_over = False
        while not is_over:
            events, is_over = feed.take(viewer)
            if events:
                yield events
            elif not (is_over or viewer.wait(beat)):
                yield []
        _check_ended(message, events)
    finally:
        feed.leave(viewer)


async def abatches(message: Message, after: int | str = 0, *, beat: float | None = None) -> AsyncIterator[list[Event]]:
    """Yield as `batches` does, in an event loop."""
    position = _begin(message, after)
    if settings.RUNNER == "inline":
        async with aclosing(_apolled(message.pk, position, beat)) as polled:
            async for events in polled:
                yield events
        return
    feed, viewer = get_feed(), AsyncViewer()
    try:
        if feed.join(viewer, str(message.pk), position):
            found = await run(snapshot, message.pk, position)
            feed.begin(viewer, found.end)
            yield found.all
            if found.ending:
                return
        elif position == 0:
            yield [start_event(message)]
        is_over = False
        while not is_over:
            events, is_over = feed.take(viewer)
            if events:
                yield events
            elif not (is_over or await viewer.await_news(beat)):
                yield []
        _check_ended(message, events)
    finally:
        feed.leave(viewer)


def follow(message: Message, *, after: int | str = 0, timeout: float | None = None) -> Iterator[Event]:
    """Follow a message; see Message.follow."""
    with closing(batches(message, after, beat=timeout)) as stream:
        for events in stream:
            if not events:
                raise TimeoutError(f"message {message.pk}: no news for {timeout} s")
            yield from events


async def afollow(
    message: Message,
    *,
    after: int | str = 0,
    timeout: float | None = None,  # noqa: ASYNC109 - the twin of follow()
) -> AsyncIterator[Event]:
    """Follow a message in an event loop; see Message.afollow."""
    async with aclosing(abatches(message, after, beat=timeout)) as stream:
        async for events in stream:
            if not events:
                raise TimeoutError(f"message {message.pk}: no news for {timeout} s")
            for event in events:
                yield event


def wait(message: Message, timeout: float | None = None) -> Message:
    """Wait for a message's ending; see Message.wait."""
    deadline = None if timeout is None else time.monotonic() + timeout
    with closing(batches(message, beat=timeout)) as stream:
        for _events in stream:
            _check_deadline(message, deadline)
    message.refresh_from_db()
    return message


async def await_ending(message: Message, timeout: float | None = None) -> Message:  # noqa: ASYNC109 - as above
    """Wait for a message's ending in an event loop; see Message.await_ending."""
    deadline = None if timeout is None else time.monotonic() + timeout
    async with aclosing(abatches(message, beat=timeout)) as stream:
        async for _events in stream:
            _check_deadline(message, deadline)
    await run(message.refresh_from_db)
    return message


def _check_deadline(message: Message, deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(f"message {message.pk} has not ended in time")


def _begin(message: Message, after: int | str) -> int:
    position = parse(after, str(message.pk))
    if message.starts_on_commit:
        raise NotStarted("the answer starts when the transaction commits; follow it after that")
    return position


def _check_ended(message: Message, events: list[Event]) -> None:
    if not (events and events[-1].is_ending):
        raise Message.DoesNotExist(f"message {message.pk} was deleted")


def _is_inline() -> bool:
    return settings.RUNNER == "inline" or connections[router.db_for_read(Message)].in_atomic_block


def _polled(message_id: UUID, position: int, beat: float | None) -> Iterator[list[Event]]:
    """Yield batches by reading on the caller's own connection: nobody else sees its transaction."""
    poll = _Poll(message_id, position, beat)
    while not poll.is_over:
        events = poll.read()
        if events is not None:
            yield events
        elif not poll.is_over:
            time.sleep(settings.POLL_INTERVAL)


async def _apolled(message_id: UUID, position: int, beat: float | None) -> AsyncIterator[list[Event]]:
    poll = _Poll(message_id, position, beat)
    while not poll.is_over:
        events = await run(poll.read)
        if events is not None:
            yield events
        elif not poll.is_over:
            await asyncio.sleep(settings.POLL_INTERVAL)


class _Poll:
    """A viewer without a feed."""

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
