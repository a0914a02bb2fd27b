"""Ledger: what a process says to its database, from all threads."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.signals import connection_created

from converse_stream import database, recorder

_TABLE = re.compile(r'(?:FROM|INTO|UPDATE) "(?:converse_stream_)?(\w+)"')


class Statement(NamedTuple):
    thread: str
    said: str
    """The verb and the table, or BEGIN, COMMIT."""
    size: int
    """Bytes of its parameters."""
    at: float


class Ledger:
    """Write down every statement: as `execute_wrapper` sees them, and BEGIN and COMMIT, which it does not see."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self._connections: list[Any] = []
        self._begun: list[Any] = []

    def of(self, *threads: str) -> list[str]:
        """Return what the threads whose names begin so have said."""
        return [entry.said for entry in self.statements if entry.thread.startswith(threads)]

    def transactions(self, thread: str) -> list[list[Statement]]:
        """Return what a thread has said from each BEGIN to its COMMIT."""
        found: list[list[Statement]] = []
        is_open = False
        for entry in self.statements:
            if entry.thread.startswith(thread):
                if entry.said == "BEGIN":
                    found.append([])
                    is_open = True
                if is_open:
                    found[-1].append(entry)
                is_open = is_open and entry.said != "COMMIT"
        return found

    def listen(self, connection: Any, **_: Any) -> None:
        """Look over the shoulder of a connection. The signal sends those of other threads too."""
        if connection not in self._connections:
            self._connections.append(connection)
            connection.execute_wrappers.append(self._wrap)
            connection.commit = partial(self._commit, connection, connection.commit)

    def leave(self) -> None:
        """Let go of all connections."""
        for connection in self._connections:
            connection.execute_wrappers.remove(self._wrap)
            del connection.commit

    def _wrap(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        connection = context["connection"]
        if sql.startswith("BEGIN"):  # SQLite's; PostgreSQL's is sent with the first statement
            return execute(sql, params, many, context)
        if connection.in_atomic_block and connection not in self._begun:
            self._begun.append(connection)
            self._add("BEGIN")
        self._add(said(sql), size(params))
        return execute(sql, params, many, context)

    def _commit(self, connection: Any, commit: Callable[[], None]) -> None:
        if connection in self._begun:
            self._begun.remove(connection)
            self._add("COMMIT")
        commit()

    def _add(self, what: str, bytes_: int = 0) -> None:
        self.statements.append(Statement(threading.current_thread().name, what, bytes_, time.monotonic()))


@contextmanager
def ledger() -> Iterator[Ledger]:
    """Keep a ledger of all connections, those that threads open from now on included."""
    database.close_pools()  # what its threads have open is of before
    if not recorder.writing():
        recorder.stop()  # its thread's, too
    kept = Ledger()
    for connection in connections.all():
        kept.listen(connection)
    connection_created.connect(kept.listen)
    try:
        yield kept
    finally:
        connection_created.disconnect(kept.listen)
        kept.leave()


def said(sql: str) -> str:
    table = _TABLE.search(sql)
    return f"{sql.split(maxsplit=1)[0]} {table[1] if table else ''}".strip()


def size(params: Any) -> int:
    return sum(map(_size, params.values() if isinstance(params, dict) else params or ()))


def _size(value: Any) -> int:
    value = getattr(value, "obj", value)  # psycopg's wrapper of JSON
    if isinstance(value, list | dict):
        value = json.dumps(value)
    return len(value.encode()) if isinstance(value, str) else 8
