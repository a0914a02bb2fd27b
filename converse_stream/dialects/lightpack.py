"""Lightpack's formats: the one of its guide and front ends, and the one of its newer `response()->sse()`."""

from __future__ import annotations

from typing import Any

from converse_stream.dialects.php import PHPDialect
from converse_stream.events import Event


class LightpackDialect(PHPDialect):
    """`{"content"}`, then `[DONE]` or `{"error"}`."""

    name = "lightpack"

    def text(self, event: Event) -> dict[str, Any]:
        """Return a piece of content."""
        return {"content": event.text}

    def done(self, event: Event) -> str:
        """Return their last word."""
        return "[DONE]"

    def error(self, sentence: str) -> dict[str, Any]:
        """Return the error."""
        return {"error": sentence}


class Lightpack2Dialect(PHPDialect):
    """`{"event": "chunk", "text"}`, then `{"event": "done"}`; an error, which they have no word for, likewise."""

    name = "lightpack2"

    def text(self, event: Event) -> dict[str, Any]:
        """Return a chunk."""
        return {"event": "chunk", "text": event.text}

    def done(self, event: Event) -> dict[str, Any]:
        """Return the end."""
        return {"event": "done"}

    def error(self, sentence: str) -> dict[str, Any]:
        """Return the error."""
        return {"event": "error", "message": sentence}
