"""Recorder: the one thread of a process that writes, for all its live messages at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from traceback import format_tb

from django.db import InterfaceError, OperationalError, connections, router

from converse_stream.database import submit
from converse_stream.exceptions import InternalError, Shutdown, StoreUnavailable
from converse_stream.models import Message
from converse_stream.models.endings import publish_endings
from converse_stream.recorder.batch import Batch
from converse_stream.recorder.commit import commit, look
from converse_stream.recorder.outbox import Outbox
from converse_stream.recorder.pace import Pace
from converse_stream.recorder.statements import Statements

logger = logging.getLogger("converse_stream")

LOOK_INTERVAL = 0.5
"""Seconds between looks at all live messages: a stop is noticed and leases are renewed while a provider is silent."""
STOP = 10.0
"""Seconds a process that exits waits for its last commit."""
PRUNE_INTERVAL = 60.0
IDLE = 5.0
"""Seconds without a live message after which the connection is closed."""
OUTAGE = 30.0
"""Seconds of a database outage after which the messages under way are ended as `store_unavailable`."""


class Recorder:
    """Group commit. What all outboxes hold while one commit runs goes out in the next one."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._outboxes: dict[str, Outbox] = {}
        self._dirty: dict[str, Outbox] = {}
        self._urgent: dict[str, Outbox] = {}
        """What somebody waits for: a viewer for the first words, a writer for its ending or tool call."""
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._pace = Pace()
        self._look_now = False
        self._pause = threading.Event()

    def open(self, outbox: Outbox) -> None:
        """Begin to look after a message."""
        with self._wake:
            self._outboxes[outbox.message_id] = outbox
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="converse-recorder", daemon=True)
                self._thread.start()
            self._wake.notify()

    def note(self, outbox: Outbox) -> None:
        """Note that an outbox has something to commit. Cheap, and called for every delta."""
        if outbox.message_id not in self._dirty and outbox.message_id not in self._urgent:
            self._put(self._dirty if outbox.history else self._urgent, outbox)

    def _put(self, waiting: dict[str, Outbox], outbox: Outbox) -> None:
        with self._wake:
            # The thread knows already when to wake up for the others.
            is_first = not waiting
            waiting[outbox.message_id] = outbox
            if is_first:
                self._wake.notify()

    def flush(self, outbox: Outbox) -> Future[None]:
        """Return a future of the commit of all that the outbox holds now."""
        future = outbox.flushed()
        self._put(self._urgent, outbox)
        return future

    def abandon(self, outbox: Outbox) -> None:
        """Look after a message no longer: what it has said is committed, and its lease runs out."""
        with self._wake:
            self._outboxes.pop(outbox.message_id, None)

    def look_soon(self, message_ids: Iterable[str]) -> None:
        """Look at the live messages now: one of them may have been stopped."""
        outboxes = (self._outboxes.get(message_id) for message_id in message_ids)
        if any(outbox is not None and not outbox.is_closed for outbox in outboxes):
            with self._wake:
                self._look_now = True
                self._wake.notify()

    def stop(self) -> None:
        """End what is still live as `shutdown`, commit everything and end the thread."""
        for outbox in list(self._outboxes.values()):
            outbox.break_off(Shutdown("the process was shut down"))
            self.note(outbox)
        self._pause.set()
        with self._wake:
            self._stopping = True
            self._wake.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(STOP)
        self._stopping = False
        self._pause.clear()

    def _run(self) -> None:
        last_look = time.monotonic()
        prune_at = rest_at = last_look + IDLE
        while not self._stopping:
            dirty = self._sleep(last_look + LOOK_INTERVAL, min(rest_at, prune_at))
            now = time.monotonic()
            if dirty:
                rest_at = now + IDLE
                self._write(dirty)
            if self._look_now or (self._outboxes and now - last_look >= LOOK_INTERVAL):
                self._look_now, last_look = False, now
                self._guarded(self._look)
            if now >= prune_at:
                prune_at = now + PRUNE_INTERVAL
                self._guarded(self._prune)
            if now >= rest_at and not self._outboxes:
                rest_at = prune_at + IDLE
                connections.close_all()
        self._write(self._take(of_all=True))
        connections.close_all()

    def _sleep(self, look_at: float, idle_at: float) -> list[Outbox]:
        """Wait until there is something to do; return what is to be committed."""
        with self._wake:
            while not (self._stopping or self._look_now):
                at = look_at if self._outboxes else idle_at
                if self._urgent or self._dirty:
                    at = min(at, self._pace.due(urgent=bool(self._urgent)))
                left = at - time.monotonic()
                if left <= 0:
                    break
                self._wake.wait(left)
            return self._take(of_all=time.monotonic() >= self._pace.due(urgent=False))

    def _take(self, *, of_all: bool) -> list[Outbox]:
        with self._wake:
            taken, self._urgent = self._urgent, {}
            if of_all:
                taken, self._dirty = self._dirty | taken, {}
            else:
                for message_id in taken:
                    self._dirty.pop(message_id, None)
        if taken:
            self._pace.begin(of_all=of_all)
        return list(taken.values())

    def _write(self, outboxes: Sequence[Outbox]) -> None:
        batches = [outbox.take() for outbox in outboxes if not outbox.lost]
        if batches:
            rows = [row for batch in batches for row in batch.rows]
            self._pace.learn(len(rows), sum(len(row.pieces) for row in rows))
            self._commit(batches)

    def _commit(self, batches: list[Batch]) -> None:
        since, pause = time.monotonic(), 0.05
        again: list[Batch] | None = None
        while again is None:
            try:
                again = self._once(batches)
            except (OperationalError, InterfaceError):
                connections.close_all()
                logger.warning("the database cannot be written to; trying again", exc_info=True)
                if not self._outlast(batches, time.monotonic() - since):
                    return
                self._pause.wait(pause)
                pause = min(pause * 2, 2.0)
            except Exception:  # noqa: BLE001 - no message's trouble may end the thread that writes all
                again = self._commit_one_by_one(batches)
        for batch in again:
            batch.outbox.give_back(batch)
        self._sort_out([batch.outbox for batch in batches])

    def _sort_out(self, outboxes: Sequence[Outbox]) -> None:
        for outbox in outboxes:
            if outbox.ended_as is not None or outbox.lost:
                self._outboxes.pop(outbox.message_id, None)
            elif outbox.is_dirty:
                self.note(outbox)

    def _outlast(self, batches: list[Batch], seconds: float) -> bool:
        """Decide what an outage of so many seconds means. Return whether to go on trying."""
        if seconds > OUTAGE:
            for batch in batches:
                batch.outbox.break_off(StoreUnavailable(f"the database was away for {OUTAGE:.0f} s"))
        return not (self._stopping and seconds > STOP)

    def _once(self, batches: list[Batch]) -> list[Batch]:
        again, ended = commit(self._statements(), batches)
        if ended:
            self._publish(ended)
        return again

    def _publish(self, ended: list[Message]) -> None:
        if not self._stopping:
            with suppress(RuntimeError):  # a process that exits takes no more jobs
                submit(publish_endings, ended)
                return
        publish_endings(ended)

    def _commit_one_by_one(self, batches: list[Batch]) -> list[Batch]:
        """Find the message that hurts a whole batch, and fail that one alone."""
        again: list[Batch] = []
        for batch in [batch for batch in batches if not batch.is_stored]:
            try:
                again += self._once([batch])
            except (OperationalError, InterfaceError):
                again.append(batch)
            except Exception as error:  # noqa: BLE001 - as above
                self._refuse(batch, error)
        return again

    def _refuse(self, batch: Batch, error: Exception) -> None:
        # Without the error's text: a database quotes the row it does not take.
        trace = "".join(format_tb(error.__traceback__))
        logger.error("message %s cannot be stored: %s\n%s", batch.outbox.message_id, type(error).__name__, trace)
        if batch.outbox.error is None:
            batch.outbox.break_off(InternalError(f"it could not be stored: {type(error).__name__}"), batch)
        else:
            batch.outbox.close_as_lost(batch)

    def _look(self) -> None:
        outboxes = list(self._outboxes.values())
        for outbox in look(self._statements(), outboxes) if outboxes else ():
            self._outboxes.pop(outbox.message_id, None)

    def _prune(self) -> None:
        statements = self._statements()
        while statements.prune() and not (self._outboxes or self._stopping):
            pass

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do what may as well be done later."""
        try:
            work()
        except Exception:
            connections.close_all()
            logger.warning("the recorder could not look at its messages; trying again", exc_info=True)

    def _statements(self) -> Statements:
        return Statements(router.db_for_write(Message))
