"""Many answers at once, written by two workers and followed in two web processes, on PostgreSQL.

    make load ANSWERS=1000 VIEWERS=2000 SECONDS=600
    make load HINTS=redis                                      hints over Redis; without any, processes poll
    python -m benchmarks.load --answers 20 --viewers 40 --seconds 10 --check

PostgreSQL, and the Redis that Celery's queue is in, are the benchmark's own.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from benchmarks.idle import allow_files
from benchmarks.load.figures import DATABASE, Meter
from benchmarks.load.model import GROWTH, Site
from benchmarks.load.visitors import Visitors
from benchmarks.processes import Process, running
from tests.brokers.redis import own_redis
from tests.faults.postgres import Postgres, own_postgres

CORES = os.sched_getaffinity(0)
SETTLED = 5.0
"""Seconds after the last answer of the first round has begun."""
STEADY = 60.0
"""Seconds from which on it can be said whether a process grows."""
LOOK, TELL = 1.0, 30
"""Seconds between two looks, and looks between two words on them."""
SERVER = "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.max=50000"
WEB = "benchmarks.load.site:application --port {port} --log-level warning --no-access-log --backlog 4096"
WORKER = "-m celery --app benchmarks.load.site --quiet worker --pool threads --disable-prefetch --loglevel error"
BROKERS = {"none": "local", "redis": "channel_layer", "notify": "notify"}


def main() -> None:
    options = read_options()
    allow_files(4 * (options.answers + options.viewers) + 1000)
    with ExitStack() as stack:
        postgres = stack.enter_context(own_postgres(SERVER))
        processes = start(stack, options, surroundings(stack, options, postgres))
        meter = Meter(postgres, processes)
        ports = [process.port for name, process in processes.items() if name.startswith("web")]
        count = round(options.length * options.rate)
        visitors = Visitors(ports, options.viewers // options.answers, count, 1 / options.rate)
        spent = asyncio.run(measure(meter, visitors, options))
        wrong = report(meter, visitors, spent, options)
    if options.check and wrong:
        sys.exit("; ".join(wrong))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100, help="at a time")
    parser.add_argument("--viewers", type=int, default=200, help="of all of them")
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure, once all answers are there")
    parser.add_argument("--length", type=float, default=60, help="seconds of an answer")
    parser.add_argument("--rate", type=float, default=2, help="deltas a second of an answer")
    parser.add_argument("--hints", choices=BROKERS, default="none")
    parser.add_argument("--pool", type=int, default=10, help="connections that a process may have")
    parser.add_argument("--statements", type=int, default=0, help="print so many of the commonest")
    parser.add_argument("--check", action="store_true", help="fail for a wrong text and above the model")
    return parser.parse_args()


def surroundings(stack: ExitStack, options: argparse.Namespace, postgres: Postgres) -> dict[str, str]:
    """Make the database, the queue and the provider; return what the processes are told."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    redis = stack.enter_context(own_redis())
    arguments = ("{port}", str(round(options.length * options.rate)), str(1 / options.rate))
    provider = stack.enter_context(running("benchmarks.load.provider", *arguments, cores=CORES))
    environment = {
        "DJANGO_SETTINGS_MODULE": "benchmarks.load.settings",
        "DATABASE_URL": f"postgres://postgres@127.0.0.1:{postgres.port}/{DATABASE}",
        "UPSTREAM": f"http://127.0.0.1:{provider.port}",
        "CONVERSE_STREAM": json.dumps({"RUNNER": "celery", "BROKER": BROKERS[options.hints]}),
        "CELERY_BROKER": redis.url,
        "CHANNEL_LAYERS": json.dumps(redis.layers()),
        "POOL": str(options.pool),
    }
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0", "--skip-checks"]
    subprocess.run(migrate, env=os.environ | environment, check=True)
    return environment


def start(stack: ExitStack, options: argparse.Namespace, environment: dict[str, str]) -> dict[str, Process]:
    threads = ("--concurrency", str(max(options.answers * 6 // 10, 4)))
    processes = {}
    for number in (1, 2):
        name = f"web {number}"
        serving = running("uvicorn", *WEB.split(), cores=CORES, environment=environment | {"PGAPPNAME": name})
        processes[name] = stack.enter_context(serving)
        name = f"worker {number}"
        processes[name] = stack.enter_context(working(*threads, environment=environment | {"PGAPPNAME": name}))
    return processes


@contextmanager
def working(*arguments: str, environment: dict[str, str]) -> Iterator[Process]:
    process = Process(sys.executable, *WORKER.split(), *arguments, cores=CORES, environment=environment)
    try:
        yield process
    finally:
        process.end()


async def measure(meter: Meter, visitors: Visitors, options: argparse.Namespace) -> dict[str, float]:
    """Let the visitors come; return what was done in a second while all were there."""
    coming = asyncio.create_task(visitors.come(options.answers))
    await asyncio.sleep(visitors.length + SETTLED)
    before = meter.totals() | visitors.totals()
    meter.forget()
    for look in range(round(options.seconds / LOOK)):
        meter.look()
        await asyncio.sleep(LOOK)
        if look % TELL == TELL - 1:
            sizes = ", ".join(f"{name} {values[-1]:.0f} MB" for name, values in meter.memory.items())
            print(
                f"  {visitors.live} live answers, {visitors.right} right, {visitors.wrong.total()} wrong; {sizes}",
                flush=True,
            )
    after = meter.totals() | visitors.totals()
    visitors.is_over = True
    await coming
    return {name: (after[name] - before[name]) / options.seconds for name in after}


def report(meter: Meter, visitors: Visitors, spent: dict[str, float], options: argparse.Namespace) -> list[str]:
    """Print what was measured; return what is wrong with it."""
    site = Site(2, 2, spent["asked"], spent["joined"], options.hints, options.pool)
    print(
        f"\n{options.answers} answers of {options.rate:g} deltas/s, {options.viewers} viewers, hints: {options.hints},"
        f" {options.seconds:g} s, load {os.getloadavg()[0]:.1f}"
        f"\n  texts                  {visitors.right:7d} right, {visitors.wrong.total()} wrong"
        f"\n  answers begun          {spent['asked']:7.1f} /s, {spent['joined']:.1f} viewers came"
        f"\n  statements             {spent['statements']:7.1f} /s, at most {site.statements:.0f}"
        f"\n  transactions           {spent['transactions']:7.1f} /s"
        f"\n  PostgreSQL             {spent['PostgreSQL']:7.0%} of a CPU"
    )
    for what, count in visitors.wrong.items():
        print(f"  wrong                  {count:7d} {what}")
    growth = meter.growth()
    for name, sizes in meter.memory.items():
        print(
            f"  {name:<22} {spent[name]:7.0%} of a CPU, {meter.connections[name]} connections,"
            f" at most {site.connections(name)}, {sizes[-1]:.0f} MB, {growth[name]:+.0%}"
        )
    for calls, query in meter.commonest(options.statements):
        print(f"  {calls:8d} {query}")
    return [
        *([f"{visitors.wrong.total()} texts are wrong"] if visitors.wrong or not visitors.right else []),
        *([] if meter.is_exact() else ["PostgreSQL has not counted every statement"]),
        *(["too many statements"] if spent["statements"] > site.statements else []),
        *(f"{name} has too many connections" for name in growth if meter.connections[name] > site.connections(name)),
        *(f"{name} grows" for name, more in growth.items() if more > GROWTH and options.seconds >= STEADY),
    ]


if __name__ == "__main__":
    main()
