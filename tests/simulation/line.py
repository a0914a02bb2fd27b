"""The line to the database: what may happen between two statements, and to a COMMIT."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection

from converse_stream.events import Event


class Killed(BaseException):
    """The process is gone, in the middle of what it did."""


class Line:
    """That of all simulated processes, which work one after the other."""

    def __init__(self) -> None:
        self.begin(lambda: None)

    def begin(self, observe: Callable[[], None]) -> None:
        """Begin a run: nothing has happened yet."""
        self.fault = ""
        """What befalls the next COMMIT: it is refused, or nobody hears that it succeeded, or its process is killed.

        Or what is asked right behind it is not answered.
        """
        self._is_away = False
        self.troubles: list[Exception] = []
        self.has_written = True
        """Whether anything was written since somebody took notice."""
        self._observe = observe
        self._reads = 0
        self._interruption: Callable[[], None] | None = None

    def calm(self) -> None:
        """Let nothing befall what comes next."""
        self.fault, self._is_away = "", False

    def interrupt(self, reads: int, by: Callable[[], None]) -> None:
        """After so many reads from now, before the next one or the next transaction, let something else happen."""
        self._reads, self._interruption = reads, by

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Let nothing happen between the reads inside."""
        before, self._interruption, self._is_away = (self._interruption, self._is_away), None, False
        try:
            yield
        finally:
            self._interruption, self._is_away = before

    def check_committed(self, events: Mapping[str, list[Event]]) -> None:
        """See to it that the process is told of nothing before it is committed."""
        if connection.in_atomic_block:
            self.troubles.append(AssertionError(f"told before its commit: {events}"))

    @contextmanager
    def tapped(self) -> Iterator[None]:
        commit = connection._commit
        connection._commit = lambda: self._commit(commit)
        connection.close = lambda: None  # opening it again costs more than a run
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del connection._commit, connection.close

    def _execute(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if self._interruption and sql.startswith(("SELECT", "BEGIN")) and not connection.in_atomic_block:
            self._reads -= 1
            if self._reads < 0:
                self._interrupt()
        if self._is_away and not connection.in_atomic_block:
            self._is_away = False
            raise OperationalError("the connection is lost")
        self.has_written |= not sql.startswith(("SELECT", "BEGIN"))
        return execute(sql, *rest)

    def _interrupt(self) -> None:
        interruption, self._interruption = self._interruption, None
        fault, self.fault = self.fault, ""
        try:
            assert interruption
            interruption()
            self._observe()
        except Exception as trouble:  # noqa: BLE001 - who reads would take it for trouble with the message
            self.troubles.append(trouble)
        self.fault = fault

    def _commit(self, commit: Callable[[], None]) -> None:
        fault, self.fault = self.fault, ""
        if fault in ("refused", "killed before"):
            connection.connection.rollback()
        else:
            commit()
        if fault in ("refused", "unheard"):
            raise OperationalError("the connection is lost")
        self._is_away = fault == "away behind"
        if fault in ("killed before", "killed after"):
            connection.run_on_commit.clear()
            raise Killed
