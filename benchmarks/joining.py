"""How long it takes to join a live answer of many rows, each of one word: what a viewer waits who comes late.

make bench-joining                                                          on SQLite
DATABASE_URL=postgres://postgres@127.0.0.1:5432/bench make bench-joining    on PostgreSQL
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from benchmarks.report import machine
from benchmarks.stores import database

LIMITS = {20_000: 50.0, 100_000: 200.0}
"""Milliseconds by rows."""
WORD = "word "
AT_ONCE = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true", help=f"fail above {LIMITS} ms of CPU by rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3")
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        stack.enter_context(database())
        print(machine())
        is_within = [measure(rows, limit, options.rounds) for rows, limit in LIMITS.items()]
        close()
    if options.check and not all(is_within):
        sys.exit("joining takes too long")


def measure(rows: int, limit: float, rounds: int) -> bool:
    """Print what a viewer costs that joins, and return whether its CPU is within the limit."""
    from converse_stream.feed.reading import snapshot  # noqa: PLC0415 - models can be imported only now

    cpu, wall = [], []
    with live_answer(rows) as message:
        for _ in range(rounds):
            used, began = time.process_time(), time.perf_counter()
            found = snapshot(message.pk, 0)
            cpu.append((time.process_time() - used) * 1000)
            wall.append((time.perf_counter() - began) * 1000)
            if found.end != rows * len(WORD) or found.ending is not None:
                raise RuntimeError("text is missing")
    print(f"  {rows:7,d} rows: {median(cpu):6.1f} ms of CPU, {median(wall):6.1f} ms, at most {limit:g}", flush=True)
    return median(cpu) <= limit


def close() -> None:
    """Close the connections of the threads that write."""
    from converse_stream import database as threads  # noqa: PLC0415 - as above
    from converse_stream import recorder  # noqa: PLC0415 - as above

    recorder.stop()
    threads.close_pools()


@contextmanager
def live_answer(rows: int) -> Iterator[Any]:
    from django.utils import timezone  # noqa: PLC0415 - as above

    from converse_stream.models import Chunk, Conversation  # noqa: PLC0415 - as above

    with Conversation.objects.create().start_stream() as stream:
        now, size = timezone.now(), len(WORD)
        spans = ((place * size, (place + 1) * size) for place in range(rows))
        Chunk.objects.bulk_create(
            [
                Chunk(message=stream.message, start=start, end=end, kind="text", data=WORD, created_at=now)
                for start, end in spans
            ],
            batch_size=AT_ONCE,
        )
        yield stream.message


if __name__ == "__main__":
    main()
