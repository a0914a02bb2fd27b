"""A provider's opaque state: which of a message's parts it belongs to, and that nobody sees it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from converse_stream.events import TEXT_KINDS, public_part, width


def attach(parts: Sequence[dict[str, Any]], states: Iterable[tuple[int, str, Any]]) -> list[dict[str, Any]]:
    """Return the parts with the states given as `(position, kind, state)`, a list for each part that has some."""
    line = [dict(part) for part in parts]
    for position, kind, state in states:
        owner = _owner(line, position, kind)
        owner.setdefault("state", []).append(state)
    return line


def _owner(line: list[dict[str, Any]], position: int, kind: str) -> dict[str, Any]:
    """Return the part of this kind that covers a position; an empty one, put in there, if there is none."""
    start = place = 0
    for part in line:
        end = start + width(part)
        if part["type"] == kind and (start < position <= end or start == position == end):
            return part
        if end > position:
            break
        start, place = end, place + 1
    line.insert(place, {"type": kind, "text": ""})
    return line[place]


def public_parts(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts as viewers may see them."""
    return [public_part(part) for part in parts if part["type"] not in TEXT_KINDS or part["text"]]
