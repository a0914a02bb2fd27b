"""What happens in a run, derived from its seed: what is asked, who looks, who leaves, and what breaks when."""

from dataclasses import dataclass
from random import Random

ANSWERS = 8
ASKED_WITHIN = 2.0
BREAKS = (0.3, 4.5)
"""Seconds between which something breaks."""
FAULTS = {
    ("worker", "kill"): 8,
    ("worker", "freeze"): 3,
    ("worker", "restart"): 3,
    ("worker", "freeze past the lease"): 1,
    ("web", "kill"): 4,
    ("web", "freeze"): 2,
    ("web", "restart"): 2,
    ("postgres", "kill"): 3,
    ("postgres", "freeze"): 2,
    ("postgres", "restart"): 2,
    ("postgres wire", "cut"): 2,
    ("postgres wire", "reset"): 3,
    ("postgres wire", "blackhole"): 2,
    ("redis", "kill"): 3,
    ("redis", "freeze"): 2,
    ("redis wire", "reset"): 1,
    ("redis wire", "blackhole"): 1,
    ("provider", "kill"): 2,
    ("provider", "freeze"): 2,
    ("provider wire", "cut"): 2,
    ("provider wire", "reset"): 2,
}
"""What can happen to whom, and how often in comparison."""


@dataclass(frozen=True)
class Question:
    """Something to ask, who looks, and how they behave."""

    content: str
    asked_at: float
    viewers: tuple[str, ...]
    """`sse` or `websocket`, each with its own patience."""
    patience: tuple[float, ...]
    """Seconds after which a viewer leaves and comes back, each time."""
    stopped_after: float | None


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and is whole again after a while."""

    target: str
    deed: str
    at: float
    lasts: float


@dataclass(frozen=True)
class Plan:
    """One run."""

    seed: int
    questions: tuple[Question, ...]
    faults: tuple[Fault, ...]


def plan(seed: int, lease: float) -> Plan:
    """Return the run of a seed, always the same."""
    chance = Random(seed)
    questions = tuple(_question(chance, seed, number) for number in range(ANSWERS))
    faults = [_fault(chance, lease) for _ in range(chance.choice((1, 2, 2, 3)))]
    return Plan(seed, questions, tuple(sorted(faults, key=lambda fault: fault.at)))


def _question(chance: Random, seed: int, number: int) -> Question:
    count, pause = chance.randint(20, 180), chance.choice((0.01, 0.02, 0.03))
    viewers = ("sse", chance.choice(("sse", "sse", "websocket")))
    return Question(
        content=f"{count} words every {pause} s, please ({seed}.{number})",
        asked_at=chance.uniform(0, ASKED_WITHIN),
        viewers=viewers,
        patience=tuple(chance.choice((0.3, 1.5, 60.0)) for _ in viewers),
        stopped_after=chance.uniform(0.1, 3) if chance.random() < 0.15 else None,
    )


def _fault(chance: Random, lease: float) -> Fault:
    kind, deed = chance.choices(list(FAULTS), list(FAULTS.values()))[0]
    target = f"{kind}-{chance.choice((1, 2))}" if kind in ("worker", "web") else kind
    lasts = chance.uniform(0.2, 3)
    if deed == "freeze past the lease":
        lasts += lease + 4
    return Fault(target, deed, chance.uniform(*BREAKS), lasts)
