"""Answers as events, for every dialect to tell."""

from collections.abc import Iterable
from typing import Any

from converse_stream.dialects import BUILT_IN, Dialect
from converse_stream.dialects.converse import ConverseProgressDialect
from converse_stream.dialects.prism import PrismDialect
from converse_stream.events import (
    TEXT_KINDS,
    Data,
    Event,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    to_part,
    unfold,
    width,
)

ID = "6f1f9a52-7c3e-4a53-9a39-0f0a4b6f7a10"
STARTED = 1_795_269_600.0
"""2026-11-21T14:00:00+00:00."""
TIMEOUT = {"code": "timeout", "message": "The assistant took too long to answer.", "retryable": True}
NASTY = 'A "quote", a \\, a / and </script>,\r\na tab\tand \u2028, é 😀\n\ndata: [DONE]\n'

WEATHER = ToolCall("call_1", "weather", {"city": "Tromsø"}, '{"city": "Tromsø"}')
COLD = ToolResult("call_1", "weather", {"celsius": -3, "sky": None})

CONTENTS: dict[str, list[Any]] = {
    "whole": [
        *[Reasoning("Let me "), Reasoning("see.")],
        *[Text("Hello, "), Text("wörld"), Text("! ")],
        *[WEATHER, COLD, Data("progress", {"step": 1, "of": 2})],
        Text("It is cold: 0"),
    ],
    "nasty": [Text(NASTY), Text(" ")],
    "calls": [
        Text("Wait."),
        ToolResult("call_0", "map", "here"),
        Text(" A moment."),
        ToolCall("call_1", "weather", None, '{"city": '),
        ToolCall("call_2", "time", {"zone": "CET"}),
        ToolResult("call_3", "map", "no such place", is_error=True),
        ToolCall("call_4", "time", {}),
        ToolResult("call_4", "time", {"error": 1}, is_error=True),
    ],
    "failed": [Text("It will ")],
    "cancelled": [Text("It will ")],
    "empty": [],
}
ENDINGS = {"failed": ("failed", "error"), "cancelled": ("cancelled", "cancelled"), "calls": ("complete", "tool_calls")}


def message(parts: list[dict[str, Any]], status: str = "streaming", reason: str | None = None) -> dict[str, Any]:
    """Return a message as `Message.to_dict` shows it."""
    is_live = status == "streaming"
    return {
        "id": ID,
        "conversation": "0b9c7d2e-2f0c-4d7e-9a53-5a1f6a7f9f10",
        "parent": "3c1b0a4e-6c0f-4b58-8d6e-0b0f3c0a7a11",
        "number": 2,
        "role": "assistant",
        "status": status,
        "content": None if is_live else "".join(part["text"] for part in parts if part["type"] == "text"),
        "parts": None if is_live else parts,
        "metadata": {},
        "provider": "demo",
        "model": "demo-1",
        "finish_reason": reason,
        "error": TIMEOUT if status == "failed" else None,
        "length": 0 if is_live else sum(map(width, parts)),
        "delta_count": 0,
        "input_tokens": None if is_live else 12,
        "output_tokens": None if is_live else 7,
        "duration": None if is_live else 2.0,
        "created_at": "2026-11-21T14:00:00+00:00",
        "started_at": "2026-11-21T14:00:00+00:00",
        "finished_at": None if is_live else "2026-11-21T14:00:02+00:00",
    }


def content(items: Iterable[Any]) -> list[Event]:
    """Return an event for each item."""
    events, start = list[Event](), 0
    for item in items:
        part = to_part(item)
        end = start + width(part)
        events.append(Event(ID, part["type"], start, end, part["text"] if part["type"] in TEXT_KINDS else part))
        start = end
    return events


def parts_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    return [{"type": e.kind, "text": e.data} if e.kind in TEXT_KINDS else e.data for e in events]


def start() -> Event:
    return Event(ID, "start", 0, 0, {"message": message([])})


def ending(parts: list[dict[str, Any]], status: str = "complete", reason: str = "stop") -> Event:
    data: dict[str, Any] = {"message": message(parts, status, reason)}
    if status == "failed":
        data["error"] = TIMEOUT
    length = sum(map(width, parts))
    return Event(ID, status, length, length, data)


def answer(name: str) -> list[Event]:
    """Return the events of an answer, as its first viewer gets them."""
    events = content(CONTENTS[name])
    return [start(), *events, ending(parts_of(events), *ENDINGS.get(name, ("complete", "stop")))]


def tail(events: list[Event], position: int) -> list[Event]:
    """Return what a viewer at `position` gets of a finished answer."""
    first = [start()] if position == 0 else []
    return [*first, *unfold(ID, parts_of(events[1:-1]), position), events[-1]]


def reset() -> list[Event]:
    """Return what a viewer gets whose cursor nobody gave out."""
    return [Event(ID, "reset", 0, 0, {"message": message([])}), *answer("failed")[1:]]


CLOCKED: dict[str, type[ConverseProgressDialect] | type[PrismDialect]] = {
    kind.name: kind for kind in (ConverseProgressDialect, PrismDialect)
}


def dialect(name: str) -> Dialect:
    """Return a dialect with a clock that stands two and a half seconds after the answer's start."""
    return CLOCKED[name](clock=lambda: STARTED + 2.5) if name in CLOCKED else BUILT_IN[name]


def told(name: str) -> bytes:
    """Return everything that a dialect says of the answers, each under its name."""
    spoken, said = dialect(name), list[bytes]()
    for title in CONTENTS:
        said += [f"=== {title}\n".encode(), spoken.encoder(0).encode(answer(title)), b"\n"]
    if spoken.has_cursors:
        events = reset() if spoken.can_reset else reset()[:1]
        said += [b"=== reset\n", spoken.encoder(0).encode(events), b"\n"]
    return b"".join(said)
