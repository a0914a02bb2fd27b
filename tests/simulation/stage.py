"""A stage: actors in threads of their own, of which one moves at a time, from one statement to the next.

Which one moves is given, so that a race that was lost can be run again. Nobody waits for a lock: whoever would have to
is told that the database is locked, and tries again when it moves next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.db.backends.signals import connection_created

from tests.simulation.line import Killed

NAME = "actor"
PATIENCE = 60.0
IMPATIENT = {"sqlite": "PRAGMA busy_timeout = 0", "postgresql": "SET lock_timeout = '1ms'"}


class Actor:
    """Somebody who does something with the database, and may be killed before any statement of it."""

    def __init__(self, act: Callable[[], Any], dies_at: int | None = None) -> None:
        self.has_committed = False
        """Whether its last move was a COMMIT."""
        self._act = act
        self._moves = 0
        self._dies_at = dies_at
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)

    def enter(self, pool: ThreadPoolExecutor) -> None:
        self._done: Future[Any] = pool.submit(self._play)

    @property
    def is_done(self) -> bool:
        return self._done.done()

    @property
    def result(self) -> Any:
        """What it returned; None if it was killed."""
        return self._done.result(PATIENCE)

    def move(self) -> None:
        """Go on up to the next statement, or to the end."""
        self._go.release()
        assert self._stands.acquire(timeout=PATIENCE), "an actor waits for another one"

    def _play(self) -> Any:
        try:
            with self._tapped():
                self._pause()
                return self._act()
        except Killed:
            return None
        finally:
            self._stands.release()

    @contextmanager
    def _tapped(self) -> Iterator[None]:
        connection.ensure_connection()
        commit = connection._commit
        connection._commit = lambda: self._commit(commit)
        connection.close = lambda: None  # opening it again costs more than a race
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del connection._commit, connection.close

    def _execute(self, execute: Callable[..., Any], *statement: Any) -> Any:
        self._pause()
        return execute(*statement)

    def _commit(self, commit: Callable[[], None]) -> None:
        try:
            self._pause()
            commit()
            self.has_committed = True
            self._pause()
        except Killed:
            connection.connection.rollback()
            connection.run_on_commit.clear()
            raise

    def _pause(self) -> None:
        if self._moves:
            self._stands.release()
        self._go.acquire()
        self._moves += 1
        if self._dies_at is not None and self._moves > self._dies_at:
            self._moves = 0  # what is done on the way out is done at once
            self._go = _Open()
            raise Killed


class _Open(threading.Semaphore):
    """A door that is never shut again."""

    def acquire(self, *arguments: Any, **options: Any) -> bool:
        return True


class Stage:
    """Threads with connections that last from one race to the next."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def run(self, actors: Sequence[Actor], order: Sequence[int], observe: Callable[[], None]) -> None:
        """Let the actors move in this order, then in turn until all are done; observe after each COMMIT."""
        for actor in actors:
            actor.enter(self._pool)
        turn = 0
        while there := [actor for actor in actors if not actor.is_done]:
            actor = there[(order[turn] if turn < len(order) else turn) % len(there)]
            actor.move()
            turn += 1
            if actor.has_committed:
                actor.has_committed = False
                observe()


@contextmanager
def stage(actors: int) -> Iterator[Stage]:
    """Set the stage for so many actors."""
    connection_created.connect(_be_impatient)
    with ThreadPoolExecutor(actors, NAME) as pool:
        try:
            yield Stage(pool)
        finally:
            together = threading.Barrier(actors)
            for _ in range(actors):
                pool.submit(lambda: together.wait(PATIENCE) >= 0 and connections.close_all())
            connection_created.disconnect(_be_impatient)


def _be_impatient(connection: Any, **signal: Mapping[str, Any]) -> None:
    if threading.current_thread().name.startswith(NAME):
        with connection.cursor() as cursor:
            cursor.execute(IMPATIENT[connection.vendor])
