"""How late a word reaches the viewers of a busy answer: all of them follow the same one, in one process.

    make bench-delivery                                                          on SQLite
    DATABASE_URL=postgres://postgres@127.0.0.1:5432/bench make bench-delivery    on PostgreSQL
    python -m benchmarks.delivery --viewers 200 --rate 50

Each word is the time at which it was said, before it was committed. What the viewers themselves take counts as well.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from statistics import quantiles
from urllib.request import Request, urlopen

from benchmarks.idle import allow_files
from benchmarks.processes import ELSEWHERE, SERVER, running
from benchmarks.report import machine
from benchmarks.stores import database

LIMIT = 250.0
"""Milliseconds."""
AT_ONCE = 20


def main() -> None:
    options = read_options()
    allow_files(options.viewers + 200)
    os.sched_setaffinity(0, ELSEWHERE)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3")
        os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "SITE": "benchmarks.quiet"}
        os.environ["DATABASE_URL"] = stack.enter_context(database())
        print(machine())
        arguments = ("benchmarks.quiet:application", "--port", "{port}", "--log-level", "warning", "--no-access-log")
        server = stack.enter_context(running("uvicorn", *arguments, cores={SERVER}))
        delays = asyncio.run(measure(server.port, options))
    cuts = quantiles(delays, n=100)
    print(f"\n{options.viewers} viewers of one answer of {options.rate:g} words/s, {len(delays)} words delivered")
    print(f"  from being said to being read: half {cuts[49]:.0f} ms, 99 of 100 {cuts[98]:.0f} ms, at most {LIMIT:g}")
    if options.check and cuts[98] > LIMIT:
        sys.exit("words come too late")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10, help="words a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--check", action="store_true", help=f"fail where 1 of 100 words takes more than {LIMIT:g} ms")
    return parser.parse_args()


async def measure(port: int, options: argparse.Namespace) -> list[float]:
    """Let all viewers come; return how many milliseconds each word took that was said while all were there."""
    url = f"http://127.0.0.1:{port}/busy/{options.rate:g}/"
    path = await asyncio.to_thread(lambda: urlopen(Request(url, method="POST")).read().decode())
    room, all_there, delays = asyncio.Semaphore(AT_ONCE), asyncio.Barrier(options.viewers + 1), list[float]()
    viewers = [asyncio.create_task(view(port, path, room, all_there, delays)) for _ in range(options.viewers)]
    await all_there.wait()
    await asyncio.sleep(options.seconds)
    for viewer in viewers:
        viewer.cancel()
    await asyncio.wait(viewers)
    return delays


async def view(port: int, path: str, room: asyncio.Semaphore, all_there: asyncio.Barrier, delays: list[float]) -> None:
    async with room:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{path}/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        await reader.readuntil(b"event: text")
    try:
        await all_there.wait()
        since = time.time()
        async for line in reader:
            if line.startswith(b'data: {"'):
                now = time.time()
                said = map(float, json.loads(line[6:]).get("text", "").split())
                delays.extend((now - each) * 1000 for each in said if each > since)
    finally:
        writer.transport.abort()


if __name__ == "__main__":
    main()
