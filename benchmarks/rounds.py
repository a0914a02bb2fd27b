"""Measuring side by side: in each round every contender answers once, and what counts are the rounds' ratios."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.answer import model, words
from benchmarks.contenders import Server
from benchmarks.viewers import ask_at_once, text_of

AFTERWARDS = 0.25
"""Seconds after a contender's last byte that still count: something may be left to tidy up."""


@dataclass(frozen=True)
class Load:
    """So many answers at once, of so many deltas each, at so many a second; 0 is all at once."""

    name: str
    answers: int
    rate: int
    deltas: int = 500

    @property
    def model(self) -> str:
        return model(self.deltas, 1 / self.rate if self.rate else 0)

    @property
    def total(self) -> int:
        return self.answers * self.deltas

    def __str__(self) -> str:
        pace = f"{self.rate} a second each" if self.rate else "all at once"
        return f"{self.name}: {self.answers} answers of {self.deltas} deltas, {pace}"


@dataclass(frozen=True)
class Turn:
    """What a contender's answers to one load took."""

    cpu: float
    """Microseconds for each delta, by the site and its store."""
    written: float
    """Bytes for each delta."""
    seconds: float


def take_turn(server: Server, load: Load) -> Turn:
    cpu, written, started = server.cpu, server.store.written, time.perf_counter()
    responses = ask_at_once(server.port, load.answers, load.model, server.contender.ending)
    seconds = time.perf_counter() - started
    time.sleep(AFTERWARDS)
    turn = Turn((server.cpu - cpu) / load.total * 1e6, (server.store.written - written) / load.total, round(seconds, 3))
    expected = "".join(words(load.deltas))
    if any(text_of(response) != expected for response in responses):
        raise RuntimeError(f"{server.contender.title} has lost text")
    return turn


def alternate(servers: Mapping[str, Server], load: Load, rounds: int) -> dict[str, list[Turn]]:
    """Let each answer once to warm up, then once in each round."""
    for server in servers.values():
        take_turn(server, Load("warm-up", load.answers, 0, 20))
    turns: dict[str, list[Turn]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            turns[name].append(take_turn(server, load))
    return turns


@dataclass(frozen=True)
class Spread:
    """A median, and between what the values were."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(*(round(value, 3) for value in (median(values), min(values), max(values))))

    def __str__(self) -> str:
        return f"{figure(self.median)} ({figure(self.least)} to {figure(self.most)})"


@dataclass(frozen=True)
class Row:
    """What a delta cost a contender under a load."""

    load: str
    contender: str
    unit: str
    cost: Spread
    turns: list[float]


def ratios(over: Sequence[Turn], under: Sequence[Turn], what: Callable[[Turn], float]) -> Spread:
    return Spread.of([what(a) / what(b) for a, b in zip(over, under, strict=True)])


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


def figure(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
