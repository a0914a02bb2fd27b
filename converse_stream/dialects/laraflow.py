"""LaraFlowAI's format."""

from __future__ import annotations

from typing import Any

from converse_stream.dialects.php import PHPDialect
from converse_stream.events import Event


class LaraFlowDialect(PHPDialect):
    """`{"type": "chunk", "chunk"}`, then `{"type": "complete"}`; an error, which they have no word for, likewise."""

    name = "laraflow"

    def text(self, event: Event) -> dict[str, Any]:
        """Return a chunk."""
        return {"type": "chunk", "chunk": event.text}

    def done(self, event: Event) -> dict[str, Any]:
        """Return the end."""
        return {"type": "complete"}

    def error(self, sentence: str) -> dict[str, Any]:
        """Return the error."""
        return {"type": "error", "message": sentence}
