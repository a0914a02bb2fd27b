"""What viewers cost that wait: memory, threads and database connections of one process.

    make bench-viewers                                                          on SQLite
    DATABASE_URL=postgres://postgres@127.0.0.1:5432/bench make bench-viewers    on PostgreSQL
    python -m benchmarks.idle --viewers 500 --site plain                        without converse_application

Every viewer has seen the first word of a live answer and waits for the next.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
from contextlib import ExitStack
from urllib.request import Request, urlopen

from django.db import connection

from benchmarks.processes import ELSEWHERE, SERVER, Process, running
from benchmarks.report import machine
from benchmarks.stores import database

ANSWERS = 10
AT_ONCE = 20
WARM = 100
"""Viewers that are there before anything is measured."""
MEMORY, THREADS = 25.0, 8


def main() -> None:
    options = read_options()
    allow_files(options.viewers + 200)
    os.sched_setaffinity(0, ELSEWHERE)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3")
        os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "SITE": "benchmarks.quiet"}
        os.environ["DATABASE_URL"] = stack.enter_context(database())
        print(machine())
        arguments = (f"benchmarks.quiet:{options.site}", "--port", "{port}", "--log-level", "warning")
        server = stack.enter_context(running("uvicorn", *arguments, "--no-access-log", cores={SERVER}))
        is_within = asyncio.run(measure(server, options.viewers))
    if options.check and not is_within:
        sys.exit("the viewers cost too much")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=5000)
    parser.add_argument("--site", choices=("application", "plain"), default="application")
    parser.add_argument("--check", action="store_true", help=f"fail above {MEMORY:g} kB or {THREADS} threads")
    return parser.parse_args()


def allow_files(count: int) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(count, 1024), hard), hard))  # the server inherits it


async def measure(server: Process, count: int) -> bool:
    """Let viewers come, print what they cost, and return whether that is within the limits."""
    paths = [await asyncio.to_thread(ask, server.port) for _ in range(ANSWERS)]
    threads = server.threads
    viewers = await join_all(server.port, paths, WARM)
    before = server.memory
    viewers += await join_all(server.port, paths, count)
    await asyncio.sleep(2)
    memory, more = (server.memory - before) * 1000 / count, server.threads - threads
    print(f"\n{len(viewers)} idle viewers of {ANSWERS} live answers")
    print(f"  resident memory        {server.memory:8.0f} MB, {memory:.1f} kB for each viewer")
    print(f"  threads                {server.threads:8d}, {more} more than without viewers")
    print(f"  database connections   {await asyncio.to_thread(connections, server):8d}")
    cpu = server.cpu
    await asyncio.sleep(10)
    print(f"  CPU while they wait    {(server.cpu - cpu) * 10:8.1f} %", flush=True)
    for writer in viewers:
        writer.transport.abort()
    return memory <= MEMORY and more <= THREADS


def ask(port: int) -> str:
    with urlopen(Request(f"http://127.0.0.1:{port}/", method="POST")) as response:
        return f"/{response.read().decode()}/"


async def join_all(port: int, paths: list[str], count: int) -> list[asyncio.StreamWriter]:
    limit = asyncio.Semaphore(AT_ONCE)

    async def join(path: str) -> asyncio.StreamWriter:
        async with limit:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            await reader.readuntil(b"Wait.")
            return writer

    return await asyncio.gather(*(join(paths[number % ANSWERS]) for number in range(count)))


def connections(server: Process) -> int:
    """Return how many connections to the database there are: how often SQLite's file is open, or what PostgreSQL says.

    SQLite keeps a file open that somebody else of the process has locked when its connection is closed.
    """
    if connection.vendor == "sqlite":
        return server.open_files(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        count = int(cursor.fetchone()[0]) - 1
    connection.close()
    return count


if __name__ == "__main__":
    main()
