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


def batches(
    message: Message, after: int | str = 0, *, beat: float | None = None, until_drain: bool = False
) -> Generator[list[Event], None, None]:
    """Yield what happens in a message from a position or cursor on, as it is committed, up to its ending.

    Every `beat` seconds without news an empty list; with `until_drain`, which is for viewers that can come back to
    another process, one when this process is about to end, too. Raise MalformedCursor, NotStarted or, when the message
    is deleted, Message.DoesNotExist.
    """
    position = _begin(message, after)
    if _is_inline():
        yield from polled(message.pk, position, beat)
        return
    feed, viewer = get_feed(), Viewer()
    try:
        is_over = yield from _caught_up(feed, viewer, message, position)
        release()
        while not is_over:
            events, is_over = feed.take(viewer)
            if events:
                yield events
            elif is_over:
                raise Message.DoesNotExist(f"message {message.pk} was deleted")
            elif (until_drain and feed.is_draining) or not viewer.wait(beat):
                yield []
                until_drain = until_drain and not feed.is_draining  # who stays has been told
    finally:
        feed.leave(viewer)


def _caught_up(feed: Feed, viewer: Viewer, message: Message, position: int) -> Generator[list[Event], None, bool]:
    """Join, and yield what is only in the database. Return whether that was all there will ever be."""
    is_over, lacks = False, feed.join(viewer, str(message.pk), position)
    if position == 0 and not lacks:
        yield [start_event(message)]
    while lacks:
        found = snapshot(message.pk, viewer.position)
        is_over, lacks = _go_on(feed, viewer, found)
        if found.end or not lacks:  # otherwise all that it is told would come again
            yield found.all
        del found  # whoever waits holds nothing of what was said
    return is_over


def abatches(
    message: Message, after: int | str = 0, *, beat: float | None = None, until_drain: bool = False
) -> AsyncGenerator[list[Event], None]:
    """Yield as `batches` does, in an event loop; the errors are raised by the call itself."""
    position = _begin(message, after)
    if settings.RUNNER == "inline":
        return apolled(message.pk, position, beat)
    return _afed(message, position, beat, until_drain=until_drain)


async def _afed(
    message: Message, position: int, beat: float | None, *, until_drain: bool
) -> AsyncGenerator[list[Event], None]:
    feed, viewer, is_over = get_feed(), AsyncViewer(), False
    try:
        lacks = feed.join(viewer, str(message.pk), position)
        if position == 0 and not lacks:
            yield [start_event(message)]
        while lacks:
            found = await run(snapshot, message.pk, viewer.position)
            is_over, lacks = _go_on(feed, viewer, found)
            if found.end or not lacks:  # otherwise all that it is told would come again
                yield found.all
            del found  # whoever waits holds nothing of what was said
        while not is_over:
            events, is_over = feed.take(viewer)
            if events:
                yield events
                del events
            elif is_over:
                raise Message.DoesNotExist(f"message {message.pk} was deleted")
            elif (until_drain and feed.is_draining) or not await viewer.await_news(beat):
                yield []
                until_drain = until_drain and not feed.is_draining  # who stays has been told
    finally:
        feed.leave(viewer)
        viewer.close()


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


def _go_on(feed: Feed, viewer: Viewer, found: Snapshot) -> tuple[bool, bool]:
    """Let the viewer go on after what it has read. Return whether there is no more, and whether it has to read on."""
    is_over = found.ending is not None
    return is_over, not feed.begin(viewer, found.end) and not is_over


def _is_inline() -> bool:
    return settings.RUNNER == "inline" or connections[router.db_for_read(Message)].in_atomic_block
