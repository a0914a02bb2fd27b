"""The named events of Prism, the engine under converse-prism, as its `asEventStreamResponse()` sends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from converse_stream.dialects.base import sse, to_json
from converse_stream.dialects.php import json_encode, problem
from converse_stream.dialects.progress import CountedDialect, CountedEncoder
from converse_stream.events import END, TEXT_KINDS, Event
from converse_stream.exceptions import MalformedCursor

NAMES = {"text": "text", "reasoning": "thinking"}
OWNERS = {"text": "message_id", "reasoning": "reasoning_id"}
"""What the events of a kind name the message."""
FINISH_REASONS = {
    "stop": "Stop",
    "length": "Length",
    "tool_calls": "ToolCalls",
    "content_filter": "ContentFilter",
    "error": "Error",
}


class PrismDialect(CountedDialect):
    """`stream_start`, `text_start`, `text_delta`, …, `stream_end` or `error`; data values have no word there."""

    name = "prism"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Take a clock that tells the seconds since 1970: each event says when it was sent."""
        self._clock = clock

    def encoder(self, position: int = 0) -> PrismEncoder:
        """Return an encoder that knows what is open at `position`."""
        return PrismEncoder(position, self._clock)


class PrismEncoder(CountedEncoder):
    """Opens texts and thoughts before their deltas and completes them after."""

    def __init__(self, position: int, clock: Callable[[], float]) -> None:
        super().__init__(position)
        self._clock = clock
        self._open = ""
        """The kind whose deltas come."""

    def count(self, event: Event) -> None:
        """Note what is open."""
        self._open = event.kind if event.kind in TEXT_KINDS else ""

    def frame(self, event: Event) -> bytes:
        """Return the events for one of ours: what it completes, what it opens, and itself."""
        if event.kind == "start":
            return b"" if self._position else self._start(event)
        closing = self._turn(event, "complete") if self._open and event.kind != self._open else b""
        if event.kind in TEXT_KINDS:
            opening = b"" if event.kind == self._open else self._turn(event, "start", event.kind)
            self.count(event)
            delta = {"delta": event.data, OWNERS[event.kind]: event.message_id}
            return closing + opening + self._sse(event, f"{NAMES[event.kind]}_delta", delta)
        self.count(event)
        return closing + self._rest(event)

    def _start(self, event: Event) -> bytes:
        message = event.data["message"]
        said = {"model": message["model"], "provider": message["provider"], "metadata": None}
        return self._sse(event, "stream_start", said)

    def _turn(self, event: Event, what: str, kind: str = "") -> bytes:
        kind = kind or self._open
        before = Event(event.message_id, kind, event.start, event.start, "")
        return self._sse(before, f"{NAMES[kind]}_{what}", {OWNERS[kind]: event.message_id})

    def _rest(self, event: Event) -> bytes:
        if event.kind == "tool_call":
            call = {"tool_id": event.data["id"], "tool_name": event.data["name"], "arguments": event.data["arguments"]}
            return self._sse(event, "tool_call", call | {"message_id": event.message_id, "reasoning_id": None})
        if event.kind == "tool_result":
            result = event.data["result"]
            answer = {"tool_id": event.data["id"], "result": result, "message_id": event.message_id}
            error = result if isinstance(result, str) else to_json(result)
            is_error = event.data["is_error"]
            return self._sse(
                event, "tool_result", answer | {"success": not is_error, "error": error if is_error else None}
            )
        if event.kind in ("failed", "reset"):
            code = event.data["error"]["code"] if event.kind == "failed" else MalformedCursor.code
            said = {"error_type": code, "message": problem(event), "recoverable": False, "metadata": None}
            return self._sse(event, "error", said, f"{event.message_id}.{END}")
        return self._sse(event, "stream_end", _outcome(event.data["message"])) if event.is_ending else b""

    def _sse(self, event: Event, name: str, said: dict[str, Any], id: str = "") -> bytes:
        about = {"id": f"evt_{name}_{event.id}", "timestamp": int(self._clock())}
        return sse(json_encode(about | said), event=name, id=id or event.id)


def _outcome(message: dict[str, Any]) -> dict[str, Any]:
    usage = {
        "prompt_tokens": message["input_tokens"],
        "completion_tokens": message["output_tokens"],
        "cache_write_input_tokens": None,
        "cache_read_input_tokens": None,
        "thought_tokens": None,
    }
    is_known = message["input_tokens"] is not None or message["output_tokens"] is not None
    reason = FINISH_REASONS.get(message["finish_reason"] or "", "Other")
    return {"finish_reason": reason, "usage": usage if is_known else None, "citations": None}
