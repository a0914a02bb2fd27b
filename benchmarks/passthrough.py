"""CPU per token of a durable, followed answer over that of a bare pass-through, side by side.

    make bench                                        on SQLite, or on DATABASE_URL
    python -m benchmarks.passthrough --streams 10 --tokens 500 --pause 0.002 --rounds 7

Both are served by uvicorn, ask the same provider (a process of its own) and are read by the same viewers. In each
round both answer; what counts is the median of the rounds' ratios, since this machine may be busy with other things.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import django
from django.db import connection

from benchmarks.answer import words
from benchmarks.processes import Process, running
from benchmarks.viewers import ask_at_once, text_of

TARGET = 1.5


def main() -> None:
    options = read_options()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3")
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        os.environ["DATABASE_URL"] = stack.enter_context(database())
        upstream = stack.enter_context(
            running("benchmarks.upstream", "{port}", str(options.tokens), str(options.pause))
        )
        servers = {
            name: stack.enter_context(serving(f"benchmarks.{name}:application", upstream))
            for name in ("bare", "durable")
        }
        describe(options)
        rounds = [measure(servers, options) for _ in range(options.rounds + 1)][1:]  # the first one warms up
    ratio = report(rounds)
    if options.check and ratio > TARGET:
        sys.exit(f"the ratio is above {TARGET}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=10, help="answers at the same time")
    parser.add_argument("--tokens", type=int, default=500, help="tokens in an answer")
    parser.add_argument("--pause", type=float, default=0.002, help="seconds between two tokens")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true", help=f"fail above a ratio of {TARGET}")
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


@contextmanager
def serving(application: str, upstream: Process) -> Iterator[Process]:
    environment = {"UPSTREAM": f"http://127.0.0.1:{upstream.port}"}
    arguments = (application, "--port", "{port}", "--log-level", "warning", "--no-access-log")
    with running("uvicorn", *arguments, environment=environment) as process:
        yield process


def measure(servers: dict[str, Process], options: argparse.Namespace) -> dict[str, float]:
    """Let each server answer once; return the microseconds of CPU that a token took."""
    expected = "".join(words(options.tokens))
    cost = {}
    for name, server in servers.items():
        before = server.cpu
        responses = ask_at_once(server.port, options.streams)
        cost[name] = (server.cpu - before) / (options.streams * options.tokens) * 1e6
        if any(text_of(response) != expected for response in responses):
            raise RuntimeError(f"{name} has lost text")
    return cost


def describe(options: argparse.Namespace) -> None:
    print(f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    versions = [f"Python {platform.python_version()}", f"{connection.vendor} {database_version()}"]
    for package in ("django", "uvicorn", "httpx", "uvloop", "httptools"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    print(", ".join(versions))
    print(f"{options.streams} answers at a time of {options.tokens} tokens, one each {options.pause * 1000:g} ms")


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def database_version() -> str:
    connection.ensure_connection()
    try:
        return ".".join(map(str, connection.get_database_version()))
    finally:
        connection.close()


def report(rounds: list[dict[str, float]]) -> float:
    ratios = [cost["durable"] / cost["bare"] for cost in rounds]
    print("\nCPU of the server process, µs per token   median   least    most")
    for name, title in (("bare", "httpx to ASGI, bytes passed through"), ("durable", "durable and followed")):
        costs = [cost[name] for cost in rounds]
        print(f"  {title:<38} {median(costs):8.1f} {min(costs):7.1f} {max(costs):7.1f}")
    print(f"  {'ratio':<38} {median(ratios):8.2f} {min(ratios):7.2f} {max(ratios):7.2f}")
    return median(ratios)


if __name__ == "__main__":
    main()
