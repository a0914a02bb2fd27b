"""Reading what a server sent without trusting its shape: the value if it is of the kind expected, else an empty one."""

import json
from typing import Any

from converse_stream.cleaning import clean_text

_LARGEST_COUNT = 2**31 - 1
_LONGEST_NAME = 200
MAX_DEPTH = 100
"""How deep a value may be nested that is stored: whoever reads it later may be recursive."""


def parsed(text: str | bytes) -> Any:
    """Return decoded JSON; None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def at(payload: object, *path: str) -> Any:
    """Return what lies at the end of a path of keys; None if the path ends before."""
    for name in path:
        payload = mapping(payload).get(name)
    return payload


def mapping(value: object) -> dict[str, Any]:
    """Return a dict as it is, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """Return a list as it is, an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a str as it is, an empty one for anything else."""
    return value if isinstance(value, str) else ""


def name(value: object, longest: int = _LONGEST_NAME) -> str:
    """Return a short text that can be stored."""
    return clean_text(text(value)[:longest])


def count(value: object) -> int | None:
    """Return a count that can be stored; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None


def is_shallow(value: object) -> bool:
    """Return whether a JSON value is nested no deeper than MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for each in level if isinstance(each, dict | list) for item in _inner(each)]
        if not level:
            return True
    return False


def _inner(value: dict[str, Any] | list[Any]) -> list[Any]:
    return value if isinstance(value, list) else list(value.values())
