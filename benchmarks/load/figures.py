"""What the processes and the database do, by the system's own accounts, and what they may do at most."""

from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import psycopg

from benchmarks.processes import Process, cpu_of_family
from tests.faults.postgres import Postgres

DATABASE = "load"
_OURS = (
    "pg_stat_statements AS done JOIN pg_database AS base ON base.oid = done.dbid"
    " WHERE datname = %s AND query NOT LIKE '%% FOR KEY SHARE OF x'"
)
"""Without what PostgreSQL asks itself to check foreign keys."""


class Meter:
    """Reads PostgreSQL's counters over a connection to another database, so that it does not count itself."""

    def __init__(self, postgres: Postgres, processes: dict[str, Process]) -> None:
        self._processes = processes
        self._postmaster = int(Path(postgres.directory, "postmaster.pid").read_text().split()[0])
        self._watching = psycopg.connect(postgres.url, autocommit=True)
        self.connections: Counter[str] = Counter()
        """The most at once, by process."""
        self.memory: dict[str, list[float]] = {name: [] for name in processes}
        """Resident megabytes, at each look."""

    def look(self) -> None:
        """Note what can be seen only at the moment."""
        clients = "pg_stat_activity WHERE backend_type = 'client backend'"  # no workers of a parallel query
        sql = f"SELECT application_name, count(*) FROM {clients} AND datname = %s GROUP BY 1"
        for name, count in self._watching.execute(sql, [DATABASE]):
            self.connections[name] = max(self.connections[name], count)
        for name, process in self._processes.items():
            self.memory[name].append(process.memory)

    def forget(self) -> None:
        """Begin anew with what is seen at the moment."""
        self.connections.clear()
        for each in self.memory.values():
            each.clear()

    def totals(self) -> dict[str, float]:
        """Return statements and transactions so far, and seconds of CPU by process."""
        return {
            **{name: process.cpu for name, process in self._processes.items()},
            "PostgreSQL": cpu_of_family(self._postmaster),
            "statements": self._number(f"SELECT sum(calls) FROM {_OURS}"),
            "transactions": self._number("SELECT xact_commit FROM pg_stat_database WHERE datname = %s"),
        }

    def growth(self) -> dict[str, float]:
        """Return how much larger each process is in the last fifth of the time than in the first: 0.1 is a tenth."""
        return {
            name: mean(each[-_fifth(each) :]) / mean(each[: _fifth(each)]) - 1 for name, each in self.memory.items()
        }

    def commonest(self, count: int) -> list[tuple[int, str]]:
        """Return what has been said most often to the database."""
        said = "sum(calls)::int, left(regexp_replace(query, '[0-9a-f_]{9,}|\\s+', ' ', 'g'), 110)"
        sql = f"SELECT {said} FROM {_OURS} GROUP BY 2 ORDER BY 1 DESC LIMIT %s"
        return [(calls, query) for calls, query in self._watching.execute(sql, [DATABASE, count])]

    def is_exact(self) -> bool:
        """Whether PostgreSQL has counted every statement, and thrown no counter away."""
        row = self._watching.execute("SELECT dealloc FROM pg_stat_statements_info").fetchone()
        return row is not None and row[0] == 0

    def _number(self, sql: str) -> int:
        row: tuple[Any, ...] | None = self._watching.execute(sql, [DATABASE]).fetchone()
        return int(row[0] or 0) if row else 0


def _fifth(values: list[float]) -> int:
    return max(len(values) // 5, 1)
