"""Reader: the one thread of a process that reads, for all followed messages and watched conversations at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connections

from converse_stream.conf import settings
from converse_stream.events import ENDINGS, unfold
from converse_stream.feed import reading
from converse_stream.feed.viewer import Viewer, wake_all
from converse_stream.models.leases import end_lost

if TYPE_CHECKING:
    from converse_stream.feed.feed import Feed

logger = logging.getLogger("converse_stream")

READ_INTERVAL = 0.02
"""Seconds between two reads at least, however many hints come in."""
LEASE_INTERVAL = 0.5
"""Seconds between two looks at the leases of followed messages."""


class Reader:
    """Group read: one read serves all, soon after a hint and every POLL_INTERVAL without one."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._last_read = 0.0
        self._last_poll = 0.0
        self._last_leases = 0.0

    def start(self) -> None:
        """Start the thread, if it does not run. Called under the feed's lock."""
        if self._thread is None or not self._thread.is_alive():
            self._last_leases = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="converse-feed", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with self._feed.woken:
            self._stopping = True
            self._feed.woken.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._stopping = False

    def _run(self) -> None:
        while not self._stopping:
            hinted, conversations = self._sleep()
            if conversations:
                hinted |= self._guarded(partial(self._feed.conversations.read, conversations))
            if hinted:
                self._read_messages(hinted)
        connections.close_all()

    def _sleep(self) -> tuple[set[str], set[str]]:
        """Wait for hints or the next poll. Return the messages and the conversations to look at."""
        feed = self._feed
        with feed.woken:
            while not self._stopping:
                if not (feed.tails or feed.conversations):
                    connections.close_all()
                    feed.woken.wait()
                    self._last_read = self._last_poll = time.monotonic()
                    continue
                now, due = time.monotonic(), self._due()
                if now >= due:
                    break
                feed.woken.wait(due - now)
            return self._take_hints()

    def _due(self) -> float:
        """Return when to read: hints make it soon, but never keep what nobody hints at from being looked at."""
        poll = self._last_poll + float(settings.POLL_INTERVAL)
        is_hinted = self._feed.hinted or self._feed.conversations.is_hinted
        return min(poll, self._last_read + READ_INTERVAL) if is_hinted else poll

    def _take_hints(self) -> tuple[set[str], set[str]]:
        feed = self._feed
        self._last_read = time.monotonic()
        is_poll = self._last_read - self._last_poll >= settings.POLL_INTERVAL
        hinted, feed.hinted = feed.hinted, set()
        if is_poll:
            self._last_poll = self._last_read
            hinted |= feed.idle_tails_dropped()
        return hinted, feed.conversations.due(all_of_them=is_poll)

    def _guarded(self, read: Callable[[], set[str]]) -> set[str]:
        try:
            return read()
        except (DatabaseError, InterfaceError):
            connections.close_all()
            logger.warning("the database cannot be read; trying again", exc_info=True)
        return set()

    def _read_messages(self, message_ids: set[str]) -> None:
        # With a poll, where all are among them: a hint must not use up the look at those of whom nobody says anything.
        is_poll = self._last_read == self._last_poll
        leases = is_poll and time.monotonic() - self._last_leases > LEASE_INTERVAL
        self._read_guarded(message_ids, leases=leases)
        if leases:
            self._last_leases = time.monotonic()

    def _read_guarded(self, message_ids: set[str], *, leases: bool) -> None:
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
                self._read_guarded({message_id}, leases=False)
            return
        logger.exception("message %s cannot be read", *message_ids)
        with self._feed.lock:
            tails = [self._feed.tails[pk] for pk in message_ids if pk in self._feed.tails]
            for tail in tails:
                tail.is_gone = True
            viewers = [viewer for tail in tails for viewer in tail.viewers]
        wake_all(viewers)

    def _read(self, message_ids: set[str]) -> None:
        """Bring these tails up to what is committed: statuses first, then rows, then the endings' whole rows."""
        statuses = reading.statuses(message_ids)
        with self._feed.lock:
            tails = [self._feed.tails[pk] for pk in message_ids if pk in self._feed.tails]
            positions = {
                tail.message_id: tail.end
                for tail in tails
                if tail.end is not None and statuses.get(tail.message_id) not in ENDINGS
            }
        events = reading.news(positions) if positions else {}
        ended = [tail.message_id for tail in tails if statuses.get(tail.message_id) in ENDINGS]
        messages = {str(message.pk): message for message in reading.endings(ended)} if ended else {}
        viewers: list[Viewer] = []
        with self._feed.lock:
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
