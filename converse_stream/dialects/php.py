"""What the formats of the PHP systems have in common: `data:` lines for text and the ending, written by `json_encode`.

Their front ends read them with an EventSource, or line by line. Beside what they know, each event has our cursor as
its `id`: an EventSource that reconnects by itself goes on where it was, and stops after the ending.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from converse_stream.dialects.base import SharedDialect, sse, to_json
from converse_stream.events import END, Event
from converse_stream.exceptions import MalformedCursor


def json_encode(value: Any) -> str:
    """Return JSON as PHP's json_encode does by default: in ASCII, slashes escaped, 2.0 written as 2."""
    return to_json(_numbers(value)).replace("/", "\\/")


def _numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value


def problem(event: Event) -> str:
    """Return the sentence that tells a client why there is no more: a failure, or a cursor nobody gave out."""
    return str(event.data["error"]["message"] if event.kind == "failed" else MalformedCursor.public)


class PHPDialect(SharedDialect):
    """One format: what it says of a text, of the ending and of a problem. It has no word for anything else.

    A str is sent as it is, anything else as JSON. A stopped answer ends as a complete one does.
    """

    names = {"text": "", "done": "", "error": ""}
    """The names of its SSE events."""

    def frame(self, event: Event) -> bytes:
        """Return one SSE event for a text, an ending or a problem."""
        if event.kind == "text":
            return self._sse("text", self.text(event), event.id)
        if event.kind in ("failed", "reset"):
            # After `reset` nothing follows; a client that comes back is told so, or gets 204.
            return self._sse("error", self.error(problem(event)), f"{event.message_id}.{END}")
        return self._sse("done", self.done(event), event.id) if event.is_ending else b""

    def _sse(self, name: str, data: Any, id: str) -> bytes:
        return sse(data if isinstance(data, str) else json_encode(data), event=self.names[name], id=id)

    @abstractmethod
    def text(self, event: Event) -> Any:
        """Return what is said of a piece of text."""

    @abstractmethod
    def done(self, event: Event) -> Any:
        """Return what is said of the ending."""

    @abstractmethod
    def error(self, sentence: str) -> Any:
        """Return what is said of a problem."""
