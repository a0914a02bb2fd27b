"""The SSE recipes of converse-prism: `chunk` and `done`, and the same with progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from converse_stream.dialects.base import sse
from converse_stream.dialects.php import PHPDialect, json_encode
from converse_stream.dialects.progress import CountedDialect, CountedEncoder
from converse_stream.events import Event


class ConverseDialect(PHPDialect):
    """`{"chunk", "message_id"}`, then `{"done", "message"}` or `{"error", "message"}`."""

    name = "converse"

    def text(self, event: Event) -> dict[str, Any]:
        """Return a chunk."""
        return {"chunk": event.text, "message_id": event.message_id}

    def done(self, event: Event) -> dict[str, Any]:
        """Return the whole message."""
        return {"done": True, "message": event.data["message"]}

    def error(self, sentence: str) -> dict[str, Any]:
        """Return the error."""
        return {"error": True, "message": sentence}


class ConverseProgressDialect(CountedDialect):
    """`{"chunk", "progress": {"chunks", "characters", "elapsed", "speed"}}`, and the endings of `converse`."""

    name = "converse-progress"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Take a clock that tells the seconds since 1970."""
        self._clock = clock
        self._endings = ConverseDialect()

    def encoder(self, position: int = 0) -> ConverseProgressEncoder:
        """Return an encoder that counts from the start."""
        return ConverseProgressEncoder(position, self._clock, self._endings)


class ConverseProgressEncoder(CountedEncoder):
    """Chunks and characters of the text so far, seconds since the answer began, characters per second."""

    def __init__(self, position: int, clock: Callable[[], float], endings: ConverseDialect) -> None:
        super().__init__(position)
        self._clock = clock
        self._endings = endings
        self._chunks = self._characters = 0
        self._began: float | None = None
        self._duration: float | None = None

    def count(self, event: Event) -> None:
        """Count a text."""
        if event.kind == "text":
            self._chunks += 1
            self._characters += len(event.text)

    def frame(self, event: Event) -> bytes:
        """Return a chunk with what it brings the answer to, or an ending."""
        if event.kind == "start":
            self._start(event.data["message"])
        if event.kind != "text":
            return self._endings.frame(event)
        self.count(event)
        elapsed = self._elapsed()
        progress = {
            "chunks": self._chunks,
            "characters": self._characters,
            "elapsed": round(elapsed, 2),
            "speed": round(self._characters / elapsed) if elapsed else 0,
        }
        return sse(json_encode({"chunk": event.text, "progress": progress}), id=event.id)

    def _start(self, message: dict[str, Any]) -> None:
        began = message["started_at"] or message["created_at"]
        self._began = datetime.fromisoformat(began).timestamp()
        self._duration = message["duration"]

    def _elapsed(self) -> float:
        if self._duration is not None:
            return self._duration
        return max(0.0, self._clock() - self._began) if self._began is not None else 0.0
