"""CPU per token of a durable, followed answer over that of a bare pass-through, side by side.

    make bench                                                          on SQLite
    DATABASE_URL=postgres://postgres@127.0.0.1:5432/bench make bench    on PostgreSQL
    python -m benchmarks.passthrough --load busy --rounds 21

Both are served by uvicorn, ask the same provider (a process of its own) and are read by the same viewers. In each
round both answer; what counts is the median of the rounds' ratios, since the machine may be busy with other things.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import django
from django.db import connection

from benchmarks.answer import words
from benchmarks.processes import ELSEWHERE, SERVER, Process, running
from benchmarks.viewers import ask_at_once, text_of

TARGET = 1.5
SERVERS = ("bare", "durable")


@dataclass(frozen=True)
class Load:
    """Answers at a time, their tokens, and the seconds between two of them."""

    answers: int
    tokens: int
    pause: float
    meaning: str

    def __str__(self) -> str:
        return f"{self.answers} x {self.tokens} tokens, one each {self.pause * 1000:g} ms: {self.meaning}"


LOADS = {
    "busy": Load(10, 500, 0.002, "a server with much to do; the target is for this one"),
    "long": Load(10, 3000, 0.002, "the same with long answers: what a token costs without its share of a request"),
    "calm": Load(40, 250, 0.02, "the pace of a model, 50 tokens a second"),
}


def main() -> None:
    options = read_options()
    os.sched_setaffinity(0, ELSEWHERE)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3")
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        os.environ["DATABASE_URL"] = stack.enter_context(database())
        print(machine())
        ratios = {name: compare(LOADS[name], options.rounds) for name in options.load or LOADS}
    if options.check and ratios.get("busy", 0) > TARGET:
        sys.exit(f"the ratio is above {TARGET}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", action="append", choices=LOADS, help="may be given more than once; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help=f"fail above a ratio of {TARGET} under the load `busy`")
    return parser.parse_args()


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


def compare(load: Load, rounds: int) -> float:
    """Print what a token costs each server, and return the ratio."""
    with ExitStack() as stack:
        arguments = ("{port}", str(load.tokens), str(load.pause))
        upstream = stack.enter_context(running("benchmarks.upstream", *arguments, cores=ELSEWHERE))
        servers = {name: stack.enter_context(serving(name, upstream)) for name in SERVERS}
        spent = {name: 0.0 for name in SERVERS}
        measure(servers, load, spent)  # warms up
        costs = [measure(servers, load, spent) for _ in range(rounds)]
    print(f"\n{load}\n{'µs of CPU per token':<38} {'median':>8} {'least':>7} {'most':>7}")
    for name, title in zip(SERVERS, ("httpx to ASGI, bytes passed through", "durable and followed"), strict=True):
        print(row(title, [cost[name] for cost in costs], 1))
    ratios = [cost["durable"] / cost["bare"] for cost in costs]
    print(row("ratio", ratios, 2), flush=True)
    return median(ratios)


@contextmanager
def serving(name: str, upstream: Process) -> Iterator[Process]:
    environment = {"UPSTREAM": f"http://127.0.0.1:{upstream.port}"}
    arguments = (f"benchmarks.{name}:application", "--port", "{port}", "--log-level", "warning", "--no-access-log")
    with running("uvicorn", *arguments, cores={SERVER}, environment=environment) as process:
        yield process


def measure(servers: dict[str, Process], load: Load, spent: dict[str, float]) -> dict[str, float]:
    """Let each server answer once; return the microseconds of CPU that a token took.

    What a server does between two of its turns, to tidy up after one, counts as well: `spent` is up to the last turn.
    """
    expected = "".join(words(load.tokens))
    cost = {}
    for name, server in servers.items():
        responses = ask_at_once(server.port, load.answers)
        cost[name] = (server.cpu - spent[name]) / (load.answers * load.tokens) * 1e6
        spent[name] = server.cpu
        if any(text_of(response) != expected for response in responses):
            raise RuntimeError(f"{name} has lost text")
    return cost


def row(title: str, values: list[float], digits: int) -> str:
    figures = (median(values), min(values), max(values))
    return f"  {title:<36} {figures[0]:8.{digits}f} {figures[1]:7.{digits}f} {figures[2]:7.{digits}f}"


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    connection.ensure_connection()
    versions = [f"{connection.vendor} {'.'.join(map(str, connection.get_database_version()))}"]
    connection.close()
    for package in ("django", "uvicorn", "httpx", "uvloop", "httptools"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return (
        f"{processor}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()} {platform.release()}"
        f"\nPython {platform.python_version()}, {', '.join(versions)}"
    )


if __name__ == "__main__":
    main()
