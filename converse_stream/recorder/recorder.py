"""Recorder: the one thread of a process that writes, for all its live messages at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from django.db import InterfaceError, OperationalError, connections, router

from converse_stream.exceptions import Shutdown, StoreUnavailable
from converse_stream.models import Message
from converse_stream.models.leases import recover_now_and_then
from converse_stream.recorder.batch import Batch
from converse_stream.recorder.commit import commit, follow_up, look
from converse_stream.recorder.outbox import Outbox
from converse_stream.recorder.pace import IDLE, LOOK_INTERVAL, OUTAGE, PRUNE_INTERVAL, STOP, Pace
from converse_stream.recorder.statements import Statements

logger = logging.getLogger("converse_stream")


class Recorder:
    """Group commit. What all outboxes hold while one commit runs goes out in the next one."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._outboxes: dict[str, Outbox] = {}
        self._dirty: dict[Outbox, None] = {}
        self._urgent: dict[Outbox, None] = {}
        """What somebody waits for: a viewer for the first words, a writer for its ending or tool call."""
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._pace = Pace()
        self._look_now = False
        self._pause = threading.Event()

    def open(self, outbox: Outbox) -> None:
        """Begin to look after a message. Who has written it here until now, under an older lease, has lost it."""
        with self._wake:
            before = self._outboxes.get(outbox.message_id)
            self._outboxes[outbox.message_id] = outbox
            if self._thread is None:
                self._start()
            self._wake.notify()
        if before is not None and before is not outbox:
            before.close_as_lost()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="converse-recorder", daemon=True)
        self._thread.start()

    def note(self, outbox: Outbox) -> None:
        """Note that an outbox has something to commit. Cheap, and called for every delta."""
        if outbox not in self._dirty and outbox not in self._urgent:
            self._put(outbox, urgent=not outbox.history)

    def _put(self, outbox: Outbox, *, urgent: bool) -> None:
        with self._wake:
            waiting = self._urgent if urgent else self._dirty
            if not waiting:
                self._wake.notify()  # for the others it knows already when to wake up
            waiting[outbox] = None

    def flush(self, outbox: Outbox) -> Future[None]:
        """Return a future of the commit of all that the outbox holds now."""
        future = outbox.flushed()
        self._put(outbox, urgent=True)
        return future

    def abandon(self, outbox: Outbox) -> None:
        """Look after a message no longer: what it has said is committed, and its lease runs out."""
        with self._wake:
            self._forget(outbox)

    def _forget(self, outbox: Outbox) -> None:
        if self._outboxes.get(outbox.message_id) is outbox:
            del self._outboxes[outbox.message_id]

    def look_soon(self, message_ids: Iterable[str]) -> None:
        """Look at the live messages now: one of them may have been stopped."""
        outboxes = (self._outboxes.get(message_id) for message_id in message_ids)
        if any(outbox is not None and not outbox.is_closed for outbox in outboxes):
            with self._wake:
                self._look_now = True
                self._wake.notify()

    @property
    def message_ids(self) -> list[str]:
        """The live messages."""
        return list(self._outboxes)

    @property
    def is_busy(self) -> bool:
        """Whether there are any."""
        return bool(self._outboxes)

    def stop(self) -> None:
        """End what is still live as `shutdown`, commit everything and end the thread."""
        for outbox in list(self._outboxes.values()):
            outbox.break_off(Shutdown("the process was shut down"))
            self.note(outbox)
        self._pause.set()
        with self._wake:
            self._stopping = True
            self._wake.notify()
            thread = self._thread
        if thread is not None:
            thread.join(STOP)
        with self._wake:
            self._thread = thread if thread is not None and thread.is_alive() else None
            self._stopping = False
            self._pause.clear()
            if self._outboxes and self._thread is None:  # begun after the thread's last commit
                with suppress(RuntimeError):  # a process that exits starts no thread any more
                    self._start()

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
                for outbox in taken:
                    self._dirty.pop(outbox, None)
        if taken:
            self._pace.begin(of_all=of_all)
        return list(taken)

    def _write(self, outboxes: Sequence[Outbox]) -> None:
        batches = [outbox.take() for outbox in outboxes if not outbox.is_over]
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
                if self._outlast(batches, time.monotonic() - since):
                    pause = self._rest(pause)
                else:
                    again = [batch for batch in batches if not batch.is_stored]  # for one last try with what came since
            except Exception:  # noqa: BLE001 - no message's trouble may end the thread that writes all
                again = self._commit_one_by_one(batches)
        for batch in again:
            batch.outbox.give_back(batch)
        self._sort_out([batch.outbox for batch in batches])

    def _rest(self, seconds: float) -> float:
        """Wait before the next try; a stop cuts that short, once. Return how long to wait the next time."""
        (time.sleep if self._stopping else self._pause.wait)(seconds)
        return min(seconds * 2, 0.25 if self._stopping else 2.0)

    def _sort_out(self, outboxes: Sequence[Outbox]) -> None:
        for outbox in outboxes:
            if outbox.is_over:
                self._forget(outbox)
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
            follow_up(ended, here=self._stopping)
        return again

    def _commit_one_by_one(self, batches: list[Batch]) -> list[Batch]:
        """Find the message that hurts a whole batch, and fail that one alone."""
        again: list[Batch] = []
        for batch in [batch for batch in batches if not batch.is_stored]:
            try:
                again += self._once([batch])
            except (OperationalError, InterfaceError):
                again.append(batch)
            except Exception as error:  # noqa: BLE001 - as above
                batch.refuse(error)
        return again

    def _look(self) -> None:
        outboxes = list(self._outboxes.values())
        for outbox in look(self._statements(), outboxes) if outboxes else ():
            self._forget(outbox)

    def _prune(self) -> None:
        recover_now_and_then()
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
