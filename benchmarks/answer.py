"""The answer that every benchmark streams: random words as long as a model's tokens, a few of them not ASCII."""

from functools import cache
from random import Random

QUESTION = "What does a viewer see?"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def words(count: int) -> list[str]:
    """Return the same words each time; no database can compress them."""
    random = Random(7)
    return [" " + "".join(random.choices(_LETTERS, k=random.randint(2, 5))) + _accent(random) for _ in range(count)]


def _accent(random: Random) -> str:
    return random.choice("éï,.\n") if random.random() < 0.1 else ""


def model(deltas: int, pause: float, format: str = "chat") -> str:
    """Name the model that answers in so many deltas, so many seconds apart, in one of the FORMATS."""
    return f"{format}-{deltas}-{round(pause * 1e6)}"


def answer_of(model: str) -> tuple[str, int, float]:
    """Return format, deltas and pause of a model's answers."""
    format, deltas, microseconds = model.rsplit("-", 2)
    return format, int(deltas), int(microseconds) / 1e6
