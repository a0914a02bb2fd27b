"""The option `reasoning` as a mapping: `effort`, which every provider knows, and fields of the provider's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converse_stream.exceptions import InvalidOptions


def effort_apart(wanted: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the effort, None for none, and the rest of the mapping."""
    return wanted.get("effort"), {name: value for name, value in wanted.items() if name != "effort"}


def check(wanted: object, fields: frozenset[str] | None, provider: str) -> None:
    """Raise InvalidOptions for a mapping with something else than the effort and `fields`; None takes any field."""
    if not isinstance(wanted, Mapping):
        return
    if not isinstance(wanted.get("effort", ""), str):
        raise InvalidOptions("the 'effort' in 'reasoning' must be a text")
    unknown = sorted(repr(name) for name in wanted if fields is not None and name not in fields | {"effort"})
    if unknown:
        known = ", ".join(repr(name) for name in sorted((fields or frozenset()) | {"effort"}))
        raise InvalidOptions(
            f"the provider {provider!r} takes no {', '.join(unknown)} in 'reasoning', only {known}; others in 'extra'"
        )
