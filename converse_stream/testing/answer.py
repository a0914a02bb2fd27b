"""What a replay server sends for one request, and how it is read from a recording."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

Body: TypeAlias = bytes | str | Path
"""A body, or the path of a file that holds one."""
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r){2}")


class End(Enum):
    """What follows the last piece."""

    PROPER = "the end of an HTTP body"
    CUT = "the connection is closed"
    RESET = "the connection is reset"
    STALL = "nothing, until the client leaves"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response on its way."""

    status: int
    headers: Mapping[str, str]
    """With lower-case names."""
    pieces: Iterable[bytes]
    """The body, one HTTP chunk for each piece."""
    end: End = End.PROPER
    has_head: bool = True
    """Whether a status line and headers are sent at all."""


def recorded(
    body: Body,
    *,
    pieces: int | Sequence[int] | None = None,
    status: int | None = None,
    content_type: str | None = None,
    headers: Mapping[str, str] | None = None,
    end: End = End.PROPER,
) -> Answer:
    """Return the answer that replays a body; what is not given comes from the `.json` file beside it, if any."""
    beside = _sidecar(body)
    named = {**_sendable(beside.get("headers") or {}), **_sendable(headers or {})}
    named["content-type"] = content_type or beside.get("content_type") or "text/event-stream"
    content = body if isinstance(body, bytes) else Path(body).read_bytes()
    return Answer(status or beside.get("http_status") or 200, named, list(_split(content, pieces)), end)


def _sidecar(body: Body) -> dict[str, Any]:
    beside = None if isinstance(body, bytes) else Path(body).with_suffix(".json")
    if beside is None or not beside.is_file():
        return {}
    facts: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return facts


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    # The recorded body is decoded and is sent in chunks: what says otherwise stays behind.
    own = {"content-length", "content-encoding", "transfer-encoding", "connection", "date", "server"}
    return {name.lower(): value for name, value in headers.items() if name.lower() not in own}


def _split(body: bytes, pieces: int | Sequence[int] | None) -> Iterator[bytes]:
    if pieces is None:
        yield from _events(body)
        return
    sizes = [pieces] if isinstance(pieces, int) else list(pieces)
    start = number = 0
    while start < len(body):
        size = sizes[number % len(sizes)]
        yield body[start : start + size]
        start, number = start + size, number + 1


def _events(body: bytes) -> Iterator[bytes]:
    start = 0
    for match in _EVENT_END.finditer(body):
        yield body[start : match.end()]
        start = match.end()
    if start < len(body):
        yield body[start:]
