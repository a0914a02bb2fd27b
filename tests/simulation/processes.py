"""Processes without threads: each has a recorder, a feed and viewers, which take a step when the simulation says so.

Everything is the package's own code but for the threads that drive it. What a module keeps for its process is
exchanged when the simulation goes from one process to another.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from converse_stream.brokers import Broker, local
from converse_stream.brokers.local import Committed, Ended, Hinted
from converse_stream.conf import settings
from converse_stream.feed import Feed
from converse_stream.feed import feed as feed_of_the_process
from converse_stream.feed.reader import Reader
from converse_stream.generation import Generation
from converse_stream.models import Message, leases
from converse_stream.models.endings import publish_endings
from converse_stream.recorder import Recorder
from converse_stream.recorder.batch import Batch
from converse_stream.recorder.commit import commit
from converse_stream.runners import Runner
from tests.simulation.line import Line


class SteppedRecorder(Recorder):
    """A recorder whose thread is the simulation."""

    def __init__(self) -> None:
        super().__init__()
        self._pause.set()  # what went wrong is over when it is tried again
        self._unpublished: list[Message] = []
        self._is_at_work = False

    def _start(self) -> None:
        return

    def write(self) -> None:
        """Commit everything, as the thread does next."""
        self._alone(lambda: self._write(self._take(of_all=True)))

    def look(self) -> None:
        """Look at all live messages; some time has passed since the last look."""
        for outbox in self._outboxes.values():
            outbox.renewed -= settings.LEASE
        self._alone(self._look)

    def publish(self) -> None:
        """Follow up what has ended, which another thread of the process does."""
        ended, self._unpublished = self._unpublished, []
        if ended:
            publish_endings(ended)

    def _alone(self, work: Callable[[], None]) -> None:
        if not self._is_at_work:  # otherwise it is interrupted: it has one thread only
            self._is_at_work = True
            try:
                work()
            finally:
                self._is_at_work = False

    def _once(self, batches: list[Batch]) -> list[Batch]:
        again, ended = commit(self._statements(), batches)
        self._unpublished += ended
        return again


class SteppedReader(Reader):
    """A feed's reader whose thread is the simulation."""

    _is_at_work = False

    def start(self) -> None:
        return

    def read(self, *, polls: bool, looks_at_leases: bool) -> None:
        """Take one turn, after a hint or, with `polls`, when it is time to look at everything."""
        if self._is_at_work:
            return
        self._is_at_work = True
        try:
            self._turn(polls=polls, looks_at_leases=looks_at_leases)
        finally:
            self._is_at_work = False

    def _turn(self, *, polls: bool, looks_at_leases: bool) -> None:
        self._last_poll = -math.inf if polls else math.inf
        self._last_leases = -math.inf if looks_at_leases else math.inf
        for tail in self._feed.tails.values() if polls else ():
            tail.fed_at = -math.inf
        with self._feed.woken:
            hinted, conversations = self._take_hints()
        if conversations:
            hinted |= self._guarded(partial(self._feed.conversations.read, conversations))
        if hinted:
            self._read_messages(hinted)


class Process:
    """What one process has in its memory."""

    _all: list[Process] = []
    _now: Process

    def __init__(self) -> None:
        self.recorder = SteppedRecorder()
        self.feed = Feed()
        self.feed._reader = self.reader = SteppedReader(self.feed)
        self._sights: dict[Any, Any] = {}
        """The expired leases that it has seen."""

    @classmethod
    def start(cls, number: int) -> list[Process]:
        """Start so many processes, in the place of those there were."""
        cls._all = [cls() for _ in range(number)]
        return cls._all

    def replace(self) -> None:
        """Be gone; another one is started in its place."""
        self._all[self._all.index(self)] = Process()
        Network.forget(self)

    @contextmanager
    def at_work(self, *, is_later: bool = False) -> Iterator[None]:
        """Do what is inside as this process; so much later that an expired lease seen again proves its writer gone."""
        # Whatever time it took to come here does not count.
        at = time.monotonic() - (leases.TWICE if is_later else 0)
        self._sights.update({pk: (lease, at) for pk, (lease, _) in self._sights.items()})
        before = Process.__dict__.get("_now"), feed_of_the_process._feed, leases._seen
        Process._now, feed_of_the_process._feed, leases._seen = self, self.feed, self._sights
        try:
            yield
        finally:
            Process._now, feed_of_the_process._feed, leases._seen = before


class Network(Broker):
    """The broker between the processes: hints are under way until the simulation delivers or loses them."""

    under_way: list[tuple[Process, str]] = []

    def publish(self, message_ids: Iterable[str]) -> None:
        others = [process for process in Process._all if process is not Process._now]
        self.under_way += [(process, message_id) for message_id in message_ids for process in others]

    def listen(self, callback: Callable[[Iterable[str]], None]) -> None:
        return

    @classmethod
    def deliver(cls, index: int, *, again: bool) -> None:
        process, message_id = cls.under_way[index] if again else cls.under_way.pop(index)
        with process.at_work():
            local.hint([message_id])

    @classmethod
    def forget(cls, process: Process) -> None:
        cls.under_way[:] = [hint for hint in cls.under_way if hint[0] is not process]


class Queue(Runner):
    """A queue of tasks that holds what it is sent."""

    sent: list[str] = []

    def submit(self, generation: Generation) -> None:
        raise NotImplementedError("the simulation has no generations")

    def send(self, message_id: str) -> None:
        self.sent.append(message_id)


@contextmanager
def surroundings(line: Line) -> Iterator[None]:
    """Let the simulated processes be the only ones that there are."""
    before = feed_of_the_process._feed
    committed = [line.check_committed, lambda events: Process._now.feed.on_committed(events)]
    ended = [lambda messages: Process._now.feed.on_ended(messages)]
    hinted = [lambda ids: Process._now.feed.on_hint(ids), lambda ids: Process._now.recorder.look_soon(ids)]
    try:
        with heard_by(committed, ended, hinted), line.tapped():
            yield
    finally:
        feed_of_the_process._feed = before


@contextmanager
def heard_by(
    committed: Sequence[Committed] = (), ended: Sequence[Ended] = (), hinted: Sequence[Hinted] = ()
) -> Iterator[None]:
    """Let nobody else hear of anything in this process, and let nobody look after leases unasked."""
    before = local._on_committed[:], local._on_ended[:], local._on_hint[:], leases._recovered_at
    local._on_committed[:], local._on_ended[:], local._on_hint[:] = committed, ended, hinted
    leases._recovered_at = math.inf
    try:
        yield
    finally:
        local._on_committed[:], local._on_ended[:], local._on_hint[:], leases._recovered_at = before
