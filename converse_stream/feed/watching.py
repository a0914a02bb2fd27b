"""Watching a conversation: the loops that sync and async viewers run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from functools import partial

from django.db import connections, router

from converse_stream.conf import settings
from converse_stream.database import release, run
from converse_stream.feed import history
from converse_stream.feed.feed import get_feed
from converse_stream.feed.history import Missed
from converse_stream.feed.reading import Snapshot, snapshot
from converse_stream.feed.updates import ConversationCursor, Update
from converse_stream.feed.viewer import AsyncViewer, Viewer
from converse_stream.feed.watcher import Leg, Watcher
from converse_stream.models import Conversation, Message

Found = Missed | tuple[str, Snapshot | None]
"""What was read: a page of the conversation, or a live message, which may be deleted by now."""


def watch(
    conversation: Conversation, after: int | str = 0, *, beat: float | None = None, until_drain: bool = False
) -> Generator[list[Update], None, None]:
    """Yield what happens in a conversation from a cursor on, without end.

    Every `beat` seconds without news an empty list, and with `until_drain` one when the process is about to end.
    Raise MalformedCursor or, when the conversation is deleted or given to somebody else, Conversation.DoesNotExist.
    """
    cursor = ConversationCursor.parse(after, str(conversation.pk))
    if _is_inline():
        yield from _polled(conversation, cursor, beat)
        return
    viewing = Viewing(conversation, cursor, bell := Viewer())
    try:
        while True:
            updates = viewing.take()
            if updates:
                yield updates
            elif read := viewing.reading():
                updates = viewing.apply(read())
                release()
                if updates:
                    yield updates
            elif (until_drain and get_feed().is_draining) or not bell.wait(beat):
                yield []
    finally:
        viewing.leave()


def awatch(
    conversation: Conversation, after: int | str = 0, *, beat: float | None = None, until_drain: bool = False
) -> AsyncGenerator[list[Update], None]:
    """Yield as `watch` does, in an event loop; MalformedCursor is raised by the call itself."""
    cursor = ConversationCursor.parse(after, str(conversation.pk))
    if settings.RUNNER == "inline":
        return _apolled(conversation, cursor, beat)
    return _afed(conversation, cursor, beat, until_drain=until_drain)


async def _afed(
    conversation: Conversation, cursor: ConversationCursor, beat: float | None, *, until_drain: bool
) -> AsyncGenerator[list[Update], None]:
    viewing = Viewing(conversation, cursor, bell := AsyncViewer())
    try:
        while True:
            updates = viewing.take()
            if updates:
                yield updates
            elif read := viewing.reading():
                updates = viewing.apply(await run(read))
                if updates:
                    yield updates
            elif (until_drain and get_feed().is_draining) or not await bell.await_news(beat):
                yield []
    finally:
        viewing.leave()
        bell.close()


class Viewing:
    """A watcher in the feed: what is here is taken, what is not is read, both as updates."""

    def __init__(self, conversation: Conversation, cursor: ConversationCursor, bell: Viewer) -> None:
        self._feed = get_feed()
        self._bell = bell
        self._legs: dict[str, Leg] = {}
        self._watcher = Watcher(conversation, cursor, bell, self._follow)
        self._feed.watch(self._watcher)

    def take(self) -> list[Update]:
        """Return what is here and new."""
        with self._feed.lock:
            return [*self._events(), *self._feed.conversations.news(self._watcher)]

    def reading(self) -> Callable[[], Found] | None:
        """Return what has to be read from the database, as a function that does, if anything has."""
        return reading(self._watcher)

    def apply(self, found: Found) -> list[Update]:
        """Return what was read as updates."""
        if isinstance(found, Missed):
            return list(self._watcher.catch_up(found))
        message_id, message = found
        leg = self._legs.get(message_id)
        if message is None or leg is None:
            return [self._start_over()]
        if self._feed.begin(leg, message.end) or message.ending:
            del self._watcher.lacking[message_id]
        else:
            self._watcher.lacking[message_id] = message.end
            if not message.end:
                return []  # all that there is to tell comes again
        if message.ending:
            self._drop(message_id)
        return list(self._watcher.pass_on(message.all))

    def leave(self) -> None:
        """Watch no longer."""
        self._feed.unwatch(self._watcher)
        for message_id in list(self._legs):
            self._drop(message_id)

    def _follow(self, message_id: str, position: int) -> bool:
        leg = self._legs[message_id] = Leg(self._bell)
        return self._feed.join(leg, message_id, position)

    def _drop(self, message_id: str) -> None:
        self._feed.leave(self._legs.pop(message_id))

    def _events(self) -> Iterator[Update]:
        for message_id in [pk for pk in self._legs if pk not in self._watcher.lacking]:
            events, is_over = self._feed.take(self._legs[message_id])
            yield from self._watcher.pass_on(events)
            if is_over:
                self._drop(message_id)
            if is_over and not (events and events[-1].is_ending):
                yield self._start_over()  # it was deleted
                return

    def _start_over(self) -> Update:
        for message_id in list(self._legs):
            self._drop(message_id)
        return self._watcher.start_over()


def reading(watcher: Watcher) -> Callable[[], Found] | None:
    """Return what a watcher has to read, as a function that does, if there is anything."""
    if watcher.is_behind:
        return partial(history.missed, watcher.conversation_id, watcher.at.number, watcher.unread)
    for message_id, position in watcher.lacking.items():
        return partial(_message, message_id, position)
    return None


def _message(message_id: str, position: int) -> tuple[str, Snapshot | None]:
    try:
        return message_id, snapshot(message_id, position)
    except Message.DoesNotExist:
        return message_id, None


# Without a feed, on the caller's own connection: nobody else sees what its transaction has written.


def _polled(
    conversation: Conversation, cursor: ConversationCursor, beat: float | None
) -> Generator[list[Update], None, None]:
    poll, told = Poll(conversation, cursor), time.monotonic()
    while True:
        updates = poll.read()
        if updates or (beat is not None and time.monotonic() - told >= beat):
            told = time.monotonic()
            yield updates
        else:
            time.sleep(settings.POLL_INTERVAL)


async def _apolled(
    conversation: Conversation, cursor: ConversationCursor, beat: float | None
) -> AsyncGenerator[list[Update], None]:
    poll, told = Poll(conversation, cursor), time.monotonic()
    while True:
        updates = await run(poll.read)
        if updates or (beat is not None and time.monotonic() - told >= beat):
            told = time.monotonic()
            yield updates
        else:
            await asyncio.sleep(settings.POLL_INTERVAL)


class Poll:
    """A watcher that reads for itself."""

    def __init__(self, conversation: Conversation, cursor: ConversationCursor) -> None:
        self._watcher = Watcher(conversation, cursor, Viewer(), lambda _message_id, _position: True)

    def read(self) -> list[Update]:
        """Return what is new."""
        watcher = self._watcher
        watcher.forget_followed()
        updates: list[Update] = []
        while read := reading(watcher):
            found = read()
            if isinstance(found, Missed):
                updates += watcher.catch_up(found)
            elif found[1] is None:
                updates.append(watcher.start_over())
            else:
                del watcher.lacking[found[0]]
                updates += watcher.pass_on(found[1].all)
        return updates


def _is_inline() -> bool:
    return settings.RUNNER == "inline" or connections[router.db_for_read(Message)].in_atomic_block
