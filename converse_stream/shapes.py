"""Reading values off what other libraries return: mappings, or objects with attributes, of which nothing is sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def get(owner: object, *names: str) -> Any:
    """Return the first of these values that is there and not None."""
    for name in names:
        value = owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)
        if value is not None:
            return value
    return None


def listed(value: Any) -> Sequence[Any]:
    """Return a list as it is, and nothing for anything else."""
    return value if isinstance(value, list | tuple) else ()


def first(value: Any) -> Any:
    """Return the first item of a list, if there is one."""
    return next(iter(listed(value)), None)


def text(value: Any) -> str:
    """Return a text as it is, and no text for anything else."""
    return value if isinstance(value, str) else ""
