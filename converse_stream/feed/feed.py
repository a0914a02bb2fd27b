"""Feed: the one thread of a process that reads, for all followed messages and all their viewers at once."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping

from django.db import DatabaseError, InterfaceError, connections

from converse_stream.brokers import configured, local
from converse_stream.conf import settings
from converse_stream.events import ENDINGS, Event, unfold
from converse_stream.feed import reading
from converse_stream.feed.tail import Tail
from converse_stream.feed.viewer import Viewer, wake_all
from converse_stream.models.leases import end_lost

logger = logging.getLogger("converse_stream")

READ_INTERVAL = 0.02
"""Seconds between two reads at least, however many hints come in."""
LEASE_INTERVAL = 0.5
"""Seconds between two looks at the leases of followed messages."""
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
            local.listen(on_committed=_feed.on_committed, on_hint=_feed.on_hint)
            configured()  # begins to listen
        return _feed


def stop() -> None:
    """End the feed's thread."""
    if _feed is not None:
        _feed.stop()


def _forget() -> None:
    global _feed, _lock
    _feed, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


class Feed:
    """Group read. Local commits arrive as they are; for everything else one read serves all."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # an abandoned viewer may be collected, and leave, in the middle of anything
        self._wake = threading.Condition(self._lock)
        self._tails: dict[str, Tail] = {}
        self._hinted: set[str] = set()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._last_read = 0.0

    def join(self, viewer: Viewer, message_id: str, position: int) -> bool:
        """Register a viewer. Return whether it must read what lies before the tail from the database."""
        with self._wake:
            tail = self._tails.get(message_id)
            if tail is None:
                tail = self._tails[message_id] = Tail(message_id)
            tail.viewers.add(viewer)
            viewer.tail, viewer.position = tail, position
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="converse-feed", daemon=True)
                self._thread.start()
            self._wake.notify()
            return not tail.covers(position)

    def begin(self, viewer: Viewer, position: int) -> None:
        """Let a viewer that has read up to `position` go on from there."""
        with self._wake:
            viewer.position = position
            tail = viewer.tail
            if tail is not None and tail.begin(position):
                self._hint(tail)

    def take(self, viewer: Viewer) -> tuple[list[Event], bool]:
        """Return what is new for a viewer, and whether that was all there will ever be."""
        with self._lock:
            if viewer.tail is None:
                return [], True
            events = viewer.tail.since(viewer.position)
            viewer.seen(events)
            return events, viewer.tail.is_over

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer. May be called twice, and at any moment."""
        with self._lock:
            if viewer.tail is not None:
                viewer.tail.viewers.discard(viewer)
                viewer.tail.left_at = time.monotonic()
                viewer.tail = None

    def on_committed(self, events: Mapping[str, list[Event]]) -> None:
        """Give viewers what a recorder of this process has committed. Called in its thread: it saves waking ours."""
        if self._tails.keys().isdisjoint(events):
            return
        now, viewers = time.monotonic(), list[Viewer]()
        with self._wake:
            for message_id in self._tails.keys() & events.keys():
                tail = self._tails[message_id]
                tail.fed_at = now
                viewers += tail.viewers
                if not tail.apply(events[message_id]):
                    self._hint(tail)
        wake_all(viewers)

    def on_hint(self, message_ids: Iterable[str]) -> None:
        """Note that messages have news."""
        if self._tails:
            with self._wake:
                for message_id in self._tails.keys() & set(message_ids):
                    self._hint(self._tails[message_id])

    def _hint(self, tail: Tail) -> None:
        if not tail.is_over:
            self._hinted.add(tail.message_id)
            self._wake.notify()

    def stop(self) -> None:
        """End the thread. Viewers that wait stay where they are."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._stopping = False

    def _run(self) -> None:
        last_leases = time.monotonic()
        while not self._stopping:
            hinted = self._sleep()
            now = time.monotonic()
            if now - self._last_read >= settings.POLL_INTERVAL:
                hinted |= self._expire()
                self._last_read = now
            if hinted:
                self._last_read = now
                self._guarded_read(hinted, leases=now - last_leases > LEASE_INTERVAL)
                if now - last_leases > LEASE_INTERVAL:
                    last_leases = now
        connections.close_all()

    def _sleep(self) -> set[str]:
        """Wait for hints or the next poll. Return the messages hinted at, once a read is due."""
        with self._wake:
            while not self._stopping:
                if not self._tails:
                    connections.close_all()
                    self._wake.wait()
                    self._last_read = time.monotonic()
                    continue
                due = self._last_read + (READ_INTERVAL if self._hinted else settings.POLL_INTERVAL)
                now = time.monotonic()
                if now >= due:
                    break
                self._wake.wait(due - now)
            hinted, self._hinted = self._hinted, set()
            return hinted

    def _expire(self) -> set[str]:
        """Drop the tails that nobody follows any more; return the live ones that may have news from elsewhere."""
        now = time.monotonic()
        with self._lock:
            for tail in list(self._tails.values()):
                if not tail.viewers and (tail.is_over or now - tail.left_at > LINGER):
                    del self._tails[tail.message_id]
            tails = [tail for tail in self._tails.values() if not tail.is_over and now - tail.fed_at > FED_FOR]
            return {tail.message_id for tail in tails}

    def _guarded_read(self, message_ids: set[str], *, leases: bool) -> None:
        try:
            if leases:
                end_lost(message_ids)
            self._read(message_ids)
        except (DatabaseError, InterfaceError):
            connections.close_all()
            logger.warning("the database cannot be read; trying again", exc_info=True)
        except Exception:  # noqa: BLE001 - see below
            # No message's trouble may end the thread that reads for all: find it, and let its viewers go.
            self._read_one_by_one(message_ids)

    def _read_one_by_one(self, message_ids: set[str]) -> None:
        if len(message_ids) > 1:
            for message_id in message_ids:
                self._guarded_read({message_id}, leases=False)
            return
        logger.exception("message %s cannot be read", *message_ids)
        with self._lock:
            tails = [self._tails[pk] for pk in message_ids if pk in self._tails]
            for tail in tails:
                tail.is_gone = True
            viewers = [viewer for tail in tails for viewer in tail.viewers]
        wake_all(viewers)

    def _read(self, message_ids: set[str]) -> None:
        """Bring these tails up to what is committed: statuses first, then rows, then the endings' whole rows."""
        statuses = reading.statuses(message_ids)
        with self._lock:
            tails = [self._tails[pk] for pk in message_ids if pk in self._tails]
            positions = {
                tail.message_id: tail.end
                for tail in tails
                if tail.end is not None and statuses.get(tail.message_id) not in ENDINGS
            }
        events = reading.news(positions) if positions else {}
        ended = [tail.message_id for tail in tails if statuses.get(tail.message_id) in ENDINGS]
        messages = {str(message.pk): message for message in reading.endings(ended)} if ended else {}
        viewers: list[Viewer] = []
        with self._lock:
            for tail in tails:
                changed = tail.message_id in events
                tail.apply(events.get(tail.message_id, ()))
                message = messages.get(tail.message_id)
                tail.has_missed = tail.end is None
                if message is not None and tail.end is not None:
                    tail.apply(list(unfold(tail.message_id, message.parts, tail.end)))
                    tail.ending = tail.ending or reading.ending_event(message)
                    changed = True
                if tail.message_id not in statuses:
                    tail.is_gone = changed = True
                if changed:
                    viewers += tail.viewers
        wake_all(viewers)
