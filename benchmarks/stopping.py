"""How long a stop takes: from the request to the ending that a viewer reads.

    make bench-stopping                                                          on SQLite
    DATABASE_URL=postgres://postgres@127.0.0.1:5432/bench make bench-stopping    on PostgreSQL

The answer is written and followed in one process. It is stopped there, and by another process that nothing but the
database connects with it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import quantiles
from urllib.request import Request, urlopen

from benchmarks.idle import ask
from benchmarks.processes import ELSEWHERE, SERVER, running
from benchmarks.report import machine
from benchmarks.stores import database

LIMITS = {"in the process": 100.0, "by another process": 1000.0}
"""Milliseconds that 95 of 100 stops may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--check", action="store_true", help=f"fail above {LIMITS} ms, 95 of 100")
    options = parser.parse_args()
    os.sched_setaffinity(0, ELSEWHERE)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3")
        os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "SITE": "benchmarks.quiet"}
        os.environ["DATABASE_URL"] = stack.enter_context(database())
        print(machine())
        arguments = ("benchmarks.quiet:application", "--port", "{port}", "--log-level", "warning", "--no-access-log")
        port = stack.enter_context(running("uvicorn", *arguments, cores={SERVER})).port
        ways = dict(zip(LIMITS, (lambda path: post(port, path), cancel), strict=True))
        is_within = [measure(port, way, stop, options.rounds) for way, stop in ways.items()]
    if options.check and not all(is_within):
        sys.exit("stopping takes too long")


def measure(port: int, way: str, stop: Callable[[str], None], rounds: int) -> bool:
    """Print how long it takes to stop answers in this way, and return whether that is within its limit."""
    cuts = quantiles([asyncio.run(stopped(port, stop)) for _ in range(rounds)], n=20)
    print(f"  stopped {way:<18} half {cuts[9]:6.0f} ms, 95 of 100 {cuts[18]:6.0f} ms, at most {LIMITS[way]:g}")
    return cuts[18] <= LIMITS[way]


async def stopped(port: int, stop: Callable[[str], None]) -> float:
    """Return the milliseconds from a stop to the ending that a viewer reads."""
    path = await asyncio.to_thread(ask, port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    await reader.readuntil(b"Wait.")
    began = time.perf_counter()
    await asyncio.gather(asyncio.to_thread(stop, path), reader.readuntil(b"event: cancelled"))
    took = time.perf_counter() - began
    writer.close()
    return took * 1000


def post(port: int, path: str) -> None:
    with urlopen(Request(f"http://127.0.0.1:{port}{path}stop/", method="POST")) as response:
        response.read()


def cancel(path: str) -> None:
    from django.db import connection  # noqa: PLC0415 - models can be imported only now

    from converse_stream.models import Message  # noqa: PLC0415 - as above

    Message.objects.get(pk=path.strip("/")).cancel()
    connection.close()


if __name__ == "__main__":
    main()
