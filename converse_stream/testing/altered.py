"""Recorded answers with something changed in them, whatever their format is, as long as it is JSON in lines."""

from __future__ import annotations

import json
from typing import Any

_DATA = b"data:"
SAID = "as the test asked for"
"""The message of the errors that a test puts into an answer."""


def lines_before_the_end(body: bytes) -> int:
    """Return how many lines of a body come before the last quarter of those that say something."""
    said = [number for number, line in enumerate(body.splitlines()) if line.strip()]
    return max(1, said[max(0, min(len(said) * 3 // 4, len(said) - 2))])


def with_error(body: bytes, event: bytes = b"") -> bytes:
    """Return a body with an error in the middle; by default in the form that most servers give it."""
    is_stream = any(line.startswith(_DATA) for line in body.splitlines())
    event = event or json.dumps({"error": {"message": SAID} if is_stream else SAID}).encode()
    if is_stream and b"data:" not in event:
        event = _DATA + b" " + event
    lines = body.splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines, start=1) if not (is_stream and line.strip())]
    middle = next((number for number in ends if number >= len(lines) // 2), len(lines))
    return b"".join([*lines[:middle], event.rstrip(), b"\n\n" if is_stream else b"\n", *lines[middle:]])


def uncounted(body: bytes) -> bytes:
    """Return a body without its figures of usage."""
    return b"".join(_uncounted_line(line) for line in body.splitlines(keepends=True))


def _uncounted_line(line: bytes) -> bytes:
    start = len(_DATA) if line.startswith(_DATA) else 0
    try:
        payload = json.loads(line[start:])
    except ValueError:
        return line
    return line[:start] + json.dumps(_without_counts(payload)).encode() + b"\n"


def _without_counts(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_counts(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_counts(item)
        for name, item in value.items()
        if "usage" not in name.lower() and not name.endswith("_count")
    }
