"""Feed: what a process holds of followed messages and watched conversations, for all viewers at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from converse_stream.brokers import configured, local
from converse_stream.events import Event
from converse_stream.feed.reader import Reader
from converse_stream.feed.reading import ending_event
from converse_stream.feed.tail import Tail
from converse_stream.feed.viewer import Viewer, wake_all
from converse_stream.feed.watched import WatchedConversations
from converse_stream.feed.watcher import Watcher
from converse_stream.models import Message

FED_FOR = 1.0
"""Seconds after a commit of this process in which nobody else is asked about its message: the recorder would know."""
LINGER = 30.0
"""Seconds a message's events stay in memory after its last viewer left."""

_feed: Feed | None = None
_lock = threading.Lock()


def get_feed() -> Feed:
    """Return the process's feed."""
    global _feed
    with _lock:
        if _feed is None:
            _feed = Feed()
            local.listen(on_committed=_feed.on_committed, on_ended=_feed.on_ended, on_hint=_feed.on_hint)
            configured()  # begins to listen
        return _feed


def stop() -> None:
    """End the feed's thread."""
    if _feed is not None:
        _feed.stop()


def drain() -> None:
    """Tell the viewers that can come back to another process that this one is about to end."""
    get_feed().drain()


def is_draining() -> bool:
    """Whether this process is about to end."""
    return _feed is not None and _feed.is_draining


def _forget() -> None:
    global _feed, _lock
    _feed, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


class Feed:
    """Group read. Local commits arrive as they are; for everything else one read serves all."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # an abandoned viewer may be collected, and leave, in the middle of anything
        self.woken = threading.Condition(self.lock)
        """Notified when there is something for the reader to do."""
        self.tails: dict[str, Tail] = {}
        self.hinted: set[str] = set()
        self.conversations = WatchedConversations(self)
        self.is_draining = False
        """Whether the process is about to end: viewers that can come back to another one had better do so."""
        self._reader = Reader(self)

    def join(self, viewer: Viewer, message_id: str, position: int) -> bool:
        """Register a viewer. Return whether it must read what lies before the tail from the database."""
        with self.woken:
            tail = self.tails.get(message_id)
            if tail is None:
                tail = self.tails[message_id] = Tail(message_id)
            tail.viewers.add(viewer)
            viewer.tail, viewer.position = tail, position
            self._reader.start()
            self.woken.notify()
            return not tail.covers(position)

    def begin(self, viewer: Viewer, position: int) -> bool:
        """Let a viewer that has read up to `position` go on from there.

        Return False if it has to read on first: another one, which has read more, has begun the tail behind that.
        """
        with self.woken:
            viewer.position = position
            tail = viewer.tail
            if tail is None:
                return True
            if tail.begin(position):
                self._hint(tail)
            return tail.base is None or tail.base <= position

    def take(self, viewer: Viewer) -> tuple[list[Event], bool]:
        """Return what is new for a viewer, and whether that was all; if the message is gone, that comes after it."""
        with self.lock:
            if viewer.tail is None:
                return [], True
            events = viewer.tail.since(viewer.position)
            viewer.seen(events)
            return events, events[-1].is_ending if events else viewer.tail.is_gone

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer. May be called twice, and at any moment."""
        with self.lock:
            if viewer.tail is not None:
                viewer.tail.viewers.discard(viewer)
                viewer.tail.left_at = time.monotonic()
                viewer.tail = None

    def on_committed(self, events: Mapping[str, list[Event]]) -> None:
        """Give viewers what a recorder of this process has committed. Called in its thread: it saves waking ours."""
        if self.tails.keys().isdisjoint(events):
            return
        now, viewers = time.monotonic(), list[Viewer]()
        with self.woken:
            for message_id in self.tails.keys() & events.keys():
                tail = self.tails[message_id]
                tail.fed_at = now
                viewers += tail.viewers
                if not tail.apply(events[message_id]):
                    self._hint(tail)
        wake_all(viewers)

    def on_ended(self, messages: Sequence[Message]) -> None:
        """Give viewers the endings that a recorder of this process has committed. Called in its thread, as above."""
        viewers = list[Viewer]()
        with self.woken:
            for message in messages:
                tail = self.tails.get(str(message.pk))
                if tail is None or tail.is_over:
                    continue
                if tail.end == message.length:
                    tail.ending = ending_event(message)
                    viewers += tail.viewers
                else:
                    self._hint(tail)
        wake_all(viewers)

    def watch(self, watcher: Watcher) -> None:
        """Register a viewer of a conversation."""
        with self.woken:
            self.conversations.join(watcher)
            self._reader.start()
            self.woken.notify()

    def unwatch(self, watcher: Watcher) -> None:
        """Forget a viewer of a conversation. May be called twice, and at any moment."""
        with self.lock:
            self.conversations.leave(watcher)

    def expect(self, message_id: str) -> None:
        """Hold a live message that is about to be followed from its start, so that nobody has to read it then."""
        with self.lock:
            self.tails.setdefault(message_id, Tail(message_id)).begin(0)

    def on_hint(self, ids: Iterable[str]) -> None:
        """Note that messages, or conversations, have news."""
        if self.tails or self.conversations:
            with self.woken:
                hinted = set(ids)
                for message_id in self.tails.keys() & hinted:
                    self._hint(self.tails[message_id])
                if self.conversations.hint(hinted):
                    self.woken.notify()

    def _hint(self, tail: Tail) -> None:
        if not tail.is_over:
            self.hinted.add(tail.message_id)
            self.woken.notify()

    def idle_tails_dropped(self) -> set[str]:
        """Drop the tails that nobody follows any more; return the live ones that may have news from elsewhere."""
        now = time.monotonic()
        with self.lock:
            for tail in list(self.tails.values()):
                if not tail.viewers and (tail.is_over or now - tail.left_at > LINGER):
                    del self.tails[tail.message_id]
            tails = [tail for tail in self.tails.values() if not tail.is_over and now - tail.fed_at > FED_FOR]
            return {tail.message_id for tail in tails}

    def drain(self) -> None:
        """Wake all viewers to find out that the process is about to end."""
        with self.lock:
            self.is_draining = True
            viewers = {viewer for tail in self.tails.values() for viewer in tail.viewers} | self.conversations.bells
        wake_all(viewers)

    def stop(self) -> None:
        """End the thread. Viewers that wait stay where they are."""
        self._reader.stop()
        self.is_draining = False
