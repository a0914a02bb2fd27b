"""Where servers keep answers, each with one of its own: what it used of a CPU, and the bytes it was made to write."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
from django.db import connection

from benchmarks.processes import ELSEWHERE, Process, cpu_of_family, listening
from tests.faults.postgres import lacks_binaries, own_postgres


class Store:
    """None at all."""

    url = "sqlite://:memory:"

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far by processes other than the site's."""
        return 0.0

    @property
    def written(self) -> int:
        """Bytes written ahead so far."""
        return 0


class Sqlite(Store):
    """A file. It works within the site's process."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._log = path.with_name(f"{path.name}-wal")

    @property
    def written(self) -> int:
        return self._log.stat().st_size


class Postgres(Store):
    """A server of its own, so that all of its processes and of its log can be counted."""

    def __init__(self, url: str, pid: int, watching: "psycopg.Connection[tuple[int]]") -> None:
        self.url = url
        self._pid = pid
        self._watching = watching

    @property
    def cpu(self) -> float:
        return cpu_of_family(self._pid)

    @property
    def written(self) -> int:
        row = self._watching.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
        return row[0] if row else 0


class Redis(Store):
    """A server of its own."""

    def __init__(self, process: Process) -> None:
        self.url = f"redis://127.0.0.1:{process.port}/0"
        self._process = process

    @property
    def cpu(self) -> float:
        return self._process.cpu


@contextmanager
def none(folder: Path) -> Iterator[Store]:
    yield Store()


@contextmanager
def sqlite(folder: Path) -> Iterator[Store]:
    path = folder / "db.sqlite3"
    with closing(sqlite3.connect(path)) as watching:
        watching.execute("PRAGMA journal_mode=WAL")
        watching.execute("SELECT count(*) FROM sqlite_master")  # the last to close it would take the log away
        yield Sqlite(path)


@contextmanager
def postgres(folder: Path) -> Iterator[Store]:
    # Written to the disk as ever. Two hundred questions at once are as many connections; and a checkpoint in the middle
    # would have whole pages written to the log.
    with own_postgres("-c max_connections=400 -c max_wal_size=8GB -c checkpoint_timeout=1h") as server:
        pid = int(Path(server.directory, "postmaster.pid").read_text().splitlines()[0])
        with psycopg.connect(server.url, autocommit=True) as watching:
            yield Postgres(server.url, pid, watching)


@contextmanager
def redis(folder: Path) -> Iterator[Store]:
    command = ("redis-server", "--port", "{port}", "--save", "", "--appendonly", "no", "--dir", str(folder))
    with listening(*command, "--logfile", "/dev/null", cores=ELSEWHERE) as process:
        yield Redis(process)


def lacks(kind: str) -> str:
    """Return why a store of this kind cannot be had here, if so."""
    if kind == "postgres":
        return lacks_binaries()
    return "no Redis is installed" if kind == "redis" and not shutil.which("redis-server") else ""


@contextmanager
def database() -> Iterator[str]:
    """Make a database of our own beside the one in DATABASE_URL and yield its address."""
    django.setup()
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    connection.close()
    try:
        if connection.vendor == "sqlite":
            yield f"sqlite:///{name}"
        else:
            yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
