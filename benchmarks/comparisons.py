"""The comparisons that one run makes, each with the figures that it has to reach."""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from benchmarks.contenders import CONTENDERS, DATABASES, Server, Servers
from benchmarks.crowd import cost_of_another
from benchmarks.imports import Interpreter
from benchmarks.report import Point, Report
from benchmarks.rounds import Load, Row, Spread, Turn, alternate, percentile, ratios, take_turn
from benchmarks.viewers import seconds_to_first_text

LIMITS = {
    "10x500": (Load("10x500", 10, 500), {"sqlite": 1.0, "postgres": 1.1}),
    "200x50": (Load("200x50", 200, 50, 250), {"sqlite": 1.2, "postgres": 1.2}),
    "10x50": (Load("10x50", 10, 50, 250), {"sqlite": 1.1, "postgres": 1.2}),
    "burst": (Load("burst", 10, 0), {"sqlite": 1.0, "postgres": 1.0}),
}
"""Loads, and what a delta may cost over the limit on each database."""
QUESTIONS = 30
"""How often each is asked in a round, one at a time, for the first text."""


@dataclass
class Bench:
    """One run: who can take part in it, and how thorough it is."""

    servers: Servers
    report: Report
    options: argparse.Namespace

    def taking_part(self, *names: str) -> dict[str, Server]:
        """Return those of these servers that can run here."""
        for name in names:
            if CONTENDERS[name].lacks:
                self.report.miss(f"{CONTENDERS[name].title} ({CONTENDERS[name].lacks})")
        return {name: self.servers[name] for name in names if self.is_wanted(name)}

    def is_wanted(self, name: str) -> bool:
        contender = CONTENDERS[name]
        other_database = contender.store in DATABASES and contender.store not in (self.options.database or DATABASES)
        return not contender.lacks and not other_database

    def compare(self, load: Load, *names: str, rounds: int = 0) -> dict[str, list[Turn]]:
        """Let these answer in turns, and write down what a delta cost each."""
        load = self.cut(load)
        print(f"\n{load}", flush=True)
        turns = alternate(self.taking_part(*names), load, rounds or self.options.rounds)
        for name, taken in turns.items():
            self.write_down(load, name, "µs of CPU a delta", [turn.cpu for turn in taken])
        return turns

    def cut(self, load: Load) -> Load:
        return replace(load, deltas=min(load.deltas, self.options.deltas))

    def write_down(self, load: Load, name: str, unit: str, values: list[float]) -> None:
        row = Row(load.name, CONTENDERS[name].title, unit, Spread.of(values), [round(value, 3) for value in values])
        self.report.add(row)


def over_the_limit(bench: Bench) -> None:
    """CPU per delta over the limit, for each load and database."""
    for name in bench.options.load or LIMITS:
        load, targets = LIMITS[name]
        turns = bench.compare(load, "bare", *targets)
        for database in turns.keys() & targets:
            value = ratios(turns[database], turns["bare"], lambda turn: turn.cpu)
            bench.report.judge(Point(f"{load.name}, {DATABASES[database]} over the limit", value, targets[database]))


def save_per_chunk(bench: Bench) -> None:
    """CPU and bytes written ahead when the whole text is saved for each of 2,000 deltas, over ours."""
    load, fewer_bytes = Load("10x500, long", 10, 500, 2000), {"sqlite": 15.0, "postgres": 100.0}
    turns = bench.compare(load, "logged-sqlite", "logged-save-sqlite", "postgres", "save-postgres")
    for database, ours, theirs in (
        ("sqlite", "logged-sqlite", "logged-save-sqlite"),
        ("postgres", "postgres", "save-postgres"),
    ):
        if ours in turns:
            cpu = ratios(turns[theirs], turns[ours], lambda turn: turn.cpu)
            title = f"save per chunk over ours, {DATABASES[database]}"
            bench.report.judge(Point(f"CPU of {title}", cpu, 5, at_most=False))
            for name in (ours, theirs):
                bench.write_down(load, name, "bytes a delta", [turn.written for turn in turns[name]])
            written = ratios(turns[theirs], turns[ours], lambda turn: turn.written)
            bench.report.judge(Point(f"bytes of {title}", written, fewer_bytes[database], at_most=False))


def others(bench: Bench) -> None:
    """CPU of what others do over ours."""
    targets = {"ai": 2.0, "eventstream": 20.0, "dj-llm": None}  # dj-llm keeps an answer when it is over
    turns = bench.compare(LIMITS["10x500"][0], "sqlite", *targets)
    for name in turns.keys() & targets.keys():
        value = ratios(turns[name], turns["sqlite"], lambda turn: turn.cpu)
        title = f"{CONTENDERS[name].title} over ours on SQLite"
        bench.report.judge(Point(title, value, targets[name], at_most=False))


def growth(bench: Bench) -> None:
    """CPU per delta of a long answer over that of a short one."""
    short, long = (replace(Load("", 2, 4000, deltas), name=f"{deltas:,} deltas") for deltas in (500, 16_000))
    for database, server in bench.taking_part(*DATABASES).items():
        turns: dict[Load, list[Turn]] = {short: [], long: []}
        for _ in range(bench.options.rounds):
            for load, taken in turns.items():
                taken.append(take_turn(server, bench.cut(load)))
        print()
        for load, taken in turns.items():
            bench.write_down(load, database, "µs of CPU a delta", [turn.cpu for turn in taken])
        value = ratios(turns[long], turns[short], lambda turn: turn.cpu)
        bench.report.judge(Point(f"16,000 deltas over 500, {DATABASES[database]}", value, 1.2))


def crowds(bench: Bench) -> None:
    """CPU of an event for each viewer from the 20th to the 100th, over a bare fan-out."""
    servers = bench.taking_part("fanout", *DATABASES)
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(bench.options.rounds):
        for name, server in servers.items():
            costs[name].append(cost_of_another(server))
    load = Load("100 viewers", 1, 100)
    for name, taken in costs.items():
        bench.write_down(load, name, "µs of CPU an event and viewer", taken)
        if name in DATABASES:
            value = Spread.of([ours / bare for ours, bare in zip(taken, costs["fanout"], strict=True)])
            bench.report.judge(Point(f"an event for another viewer over bare, {DATABASES[name]}", value, 1.25))


def first_text(bench: Bench) -> None:
    """Time to the first text over the limit, and over a view that runs the same statements."""
    servers = bench.taking_part("bare", *DATABASES, *(f"said-{database}" for database in DATABASES))
    load = Load("first text", 1, 0, 5)
    rounds: dict[str, list[list[float]]] = {name: [] for name in servers}
    for _ in range(bench.options.rounds + 1):
        for taken in rounds.values():
            taken.append([])
        for _ in range(QUESTIONS):
            for name, server in servers.items():
                rounds[name][-1].append(seconds_to_first_text(server.port, load.model) * 1000)
                time.sleep(0.02)
    for name, taken in rounds.items():
        del taken[0]  # warms up
        bench.write_down(load, name, "ms, p50 of a round", [percentile(each, 50) for each in taken])
    for database, most in {"sqlite": 6.0, "postgres": 15.0}.items():
        if database not in rounds:
            continue
        more = [
            percentile(ours, 50) - percentile(bare, 50)
            for ours, bare in zip(rounds[database], rounds["bare"], strict=True)
        ]
        title = f"first text, {DATABASES[database]}"
        bench.report.judge(Point(f"{title}, p50 more than the limit", Spread.of(more), most, unit="ms"))
        ours, theirs = (
            percentile(list(chain.from_iterable(rounds[name])), 99) for name in (database, f"said-{database}")
        )
        value = Spread.of([ours / theirs])
        bench.report.judge(Point(f"{title}, p99 over a view with the same statements", value, 3))


def imports(bench: Bench) -> None:
    """CPU of importing the app, beyond Django and REST framework."""
    with tempfile.TemporaryDirectory(prefix="converse-bench-") as compiled:
        fresh = Interpreter(Path(compiled))
        more = [fresh.milliseconds("converse_stream") - fresh.milliseconds() for _ in range(bench.options.rounds + 1)]
    del more[0]  # compiles
    bench.report.judge(Point("import of the app beyond Django's and REST framework's", Spread.of(more), 150, unit="ms"))


PARTS: dict[str, Callable[[Bench], None]] = {
    "limit": over_the_limit,
    "save": save_per_chunk,
    "others": others,
    "growth": growth,
    "crowds": crowds,
    "first": first_text,
    "imports": imports,
}
