"""Following a message: the loops that sync and async viewers run."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing

from django.db import connections, router

from converse_stream.conf import settings
from converse_stream.database import release, run
from converse_stream.events import Event
from converse_stream.exceptions import NotStarted
from converse_stream.feed.cursor import parse
from converse_stream.feed.feed import Feed, get_feed
from converse_stream.feed.polling import apolled, polled
from converse_stream.feed.reading import Snapshot, snapshot, start_event
from converse_stream.feed.viewer import AsyncViewer, Viewer
from converse_stream.models import Message

_WAIT_BEAT = 0.25
"""Seconds between looks at the clock while waiting for an ending."""


def batches(message: Message, after: int | str = 0, *, beat: float | None = None) -> Generator[list[Event], None, None]:
    """Yield what happens in a message from a position or cursor on, as it is committed, up to its ending.

    Every `beat` seconds without news an empty list. Raise MalformedCursor, NotStarted or, when the message
    is deleted, Message.DoesNotExist.
    """
    position = _begin(message, after)
    if _is_inline():
        yield from polled(message.pk, position, beat)
        return
    feed, viewer, is_over = get_feed(), Viewer(), False
    try:
        if feed.join(viewer, str(message.pk), position):
            found = snapshot(message.pk, position)
            is_over = _go_on(feed, viewer, found)
            yield found.all
        elif position == 0:
            yield [start_event(message)]
        release()
        while not is_over:
            events, is_over = feed.take(viewer)
            if events:
                yield events
            elif is_over:
                raise Message.DoesNotExist(f"message {message.pk} was deleted")
            elif not viewer.wait(beat):
                yield []
    finally:
        feed.leave(viewer)


def abatches(message: Message, after: int | str = 0, *, beat: float | None = None) -> AsyncGenerator[list[Event], None]:
    """Yield as `batches` does, in an event loop; the errors are raised by the call itself."""
    position = _begin(message, after)
    if settings.RUNNER == "inline":
        return apolled(message.pk, position, beat)
    return _afed(message, position, beat)


async def _afed(message: Message, position: int, beat: float | None) -> AsyncGenerator[list[Event], None]:
    feed, viewer, is_over = get_feed(), AsyncViewer(), False
    try:
        if feed.join(viewer, str(message.pk), position):
            found = await run(snapshot, message.pk, position)
            is_over = _go_on(feed, viewer, found)
            yield found.all
        elif position == 0:
            yield [start_event(message)]
        while not is_over:
            events, is_over = feed.take(viewer)
            if events:
                yield events
            elif is_over:
                raise Message.DoesNotExist(f"message {message.pk} was deleted")
            elif not await viewer.await_news(beat):
                yield []
    finally:
        feed.leave(viewer)
        viewer.close()


def follow(message: Message, *, after: int | str = 0, timeout: float | None = None) -> Generator[Event, None, None]:
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
) -> AsyncGenerator[Event, None]:
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
    with closing(batches(message, beat=_WAIT_BEAT)) as stream:
        for events in stream:
            _check_deadline(message, events, deadline)
    message.refresh_from_db()
    return message


async def await_ending(message: Message, timeout: float | None = None) -> Message:  # noqa: ASYNC109 - as above
    """Wait for a message's ending in an event loop; see Message.await_ending."""
    deadline = None if timeout is None else time.monotonic() + timeout
    async with aclosing(abatches(message, beat=_WAIT_BEAT)) as stream:
        async for events in stream:
            _check_deadline(message, events, deadline)
    await run(message.refresh_from_db)
    return message


def _check_deadline(message: Message, events: list[Event], deadline: float | None) -> None:
    is_over = bool(events) and events[-1].is_ending
    if deadline is not None and not is_over and time.monotonic() >= deadline:
        raise TimeoutError(f"message {message.pk} has not ended in time")


def _begin(message: Message, after: int | str) -> int:
    position = parse(after, str(message.pk))
    if message.starts_on_commit:
        raise NotStarted("the answer starts when the transaction commits; follow it after that")
    return position


def _go_on(feed: Feed, viewer: Viewer, found: Snapshot) -> bool:
    """Let the viewer go on after what it has read. Return whether there is no more."""
    feed.begin(viewer, found.end)
    return found.ending is not None


def _is_inline() -> bool:
    return settings.RUNNER == "inline" or connections[router.db_for_read(Message)].in_atomic_block
