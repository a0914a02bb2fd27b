"""Bupple's formats: the plain one, the one with named events, and the one with progress."""

from __future__ import annotations

from typing import Any

from converse_stream.dialects.base import sse
from converse_stream.dialects.php import PHPDialect, json_encode, problem
from converse_stream.dialects.progress import CountedDialect, CountedEncoder
from converse_stream.events import END, Event


class BuppleDialect(PHPDialect):
    """`{"content", "role", "done"}`, the last one empty and done, or `{"error"}`."""

    name = "bupple"

    def text(self, event: Event) -> dict[str, Any]:
        """Return a chunk."""
        return {"content": event.text, "role": "assistant", "done": False}

    def done(self, event: Event) -> dict[str, Any]:
        """Return the last chunk."""
        return {"content": "", "role": "assistant", "done": True}

    def error(self, sentence: str) -> dict[str, Any]:
        """Return the error."""
        return {"error": sentence}


class BuppleEventsDialect(BuppleDialect):
    """The same chunks as the events `chunk` and `completion`; an error as their SSE driver sends it."""

    name = "bupple-events"
    names = {"text": "chunk", "done": "completion", "error": "error"}

    def error(self, sentence: str) -> dict[str, Any]:
        """Return the error with the code that theirs have unless told otherwise."""
        return {"error": True, "message": sentence, "code": 500}


class BuppleProgressDialect(CountedDialect):
    """`{"type": "chunk", "content", "tokens"}` between two of `{"type": "status", "message"}`, or `{"error"}`."""

    name = "bupple-progress"

    def encoder(self, position: int = 0) -> BuppleProgressEncoder:
        """Return an encoder that counts from the start."""
        return BuppleProgressEncoder(position)


class BuppleProgressEncoder(CountedEncoder):
    """`tokens` is what they call the number of words so far, wherever the text was cut."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self._tokens = 0
        self._in_word = False

    def count(self, event: Event) -> None:
        """Count the words that begin in a text."""
        if event.text:
            continues = self._in_word and not event.text[0].isspace()
            self._tokens += len(event.text.split()) - continues
            self._in_word = not event.text[-1].isspace()

    def frame(self, event: Event) -> bytes:
        """Return a chunk with the words so far, a status, or the error."""
        if event.kind == "text":
            self.count(event)
            return _data({"type": "chunk", "content": event.text, "tokens": self._tokens}, event.id)
        if event.kind == "start" and not self._position:
            return _data({"type": "status", "message": "Starting..."}, event.id)
        if event.kind in ("failed", "reset"):
            return _data({"error": problem(event)}, f"{event.message_id}.{END}")
        return _data({"type": "status", "message": "Complete"}, event.id) if event.is_ending else b""


def _data(data: dict[str, Any], id: str) -> bytes:
    return sse(json_encode(data), id=id)
