"""Pull: the text of an answer as chunks that are pulled one by one, for code that wants to set the pace itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Self

from converse_stream.asking import check_answer
from converse_stream.events import Event
from converse_stream.models import Message, Status
from converse_stream.output import OnChunk, Output
from converse_stream.responses import EventStreamResponse


class Pull:
    """An iterator over an answer's text: `for text in pull`, or `while pull.has_more: next(pull)`.

    It follows the record: the answer goes on whether or not anybody pulls, and stopping to pull costs nothing.
    Raise the GenerationError of an answer that fails, or AnswerStopped, after the text there is.
    """

    def __init__(self, message: Message, *, buffer_size: int = 1, on_chunk: OnChunk | None = None) -> None:
        check_pull(buffer_size, on_chunk)
        self.message = message
        """The answer, as it was when the pull began; after the last chunk, as it ended."""
        self.buffer_size = buffer_size
        """The fewest characters of a chunk but the last; it may be changed at any time."""
        self.buffer = ""
        """What has come and was not handed out yet."""
        self._pieces: list[str] = []
        self._events: Iterator[Event] = message.follow()
        self._output = Output(on_chunk)
        self._is_over = False
        self._tool_results = 0
        self._began = time.monotonic()
        self._took: float | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if not self.has_more:
            check_answer(self.message)
            raise StopIteration
        chunk = self.clear()
        self._output.say(chunk)
        return chunk

    @property
    def has_more(self) -> bool:
        """Whether another chunk is there; it waits until that is known."""
        while not self._is_over and len(self.buffer) < self.buffer_size:
            self._take(next(self._events))
        return bool(self.buffer)

    @property
    def content(self) -> str:
        """All the text that has come so far, handed out or not."""
        return "".join(self._pieces)

    @property
    def is_complete(self) -> bool:
        """Whether the answer has come to its proper end, and all of it has come here."""
        return self._is_over and self.message.status == Status.COMPLETE

    def clear(self) -> str:
        """Empty the buffer, and return what was in it."""
        chunk, self.buffer = self.buffer, ""
        return chunk

    def stats(self) -> dict[str, Any]:
        """Return how far it is: `execution_time` is in seconds, `content_length` in characters."""
        return {
            "message_id": str(self.message.pk),
            "model": self.message.model,
            "content_length": len(self.content),
            "execution_time": time.monotonic() - self._began if self._took is None else self._took,
            "is_complete": self.is_complete,
            "buffer_size": self.buffer_size,
            "tool_results_count": self._tool_results,
        }

    def to_response(self, **options: Any) -> EventStreamResponse:
        """Return an HTTP response that streams the whole answer; takes the options of EventStreamResponse."""
        return EventStreamResponse(self.message, **options)

    def _take(self, event: Event) -> None:
        self.buffer += event.text
        self._pieces.append(event.text)
        self._tool_results += event.kind == "tool_result"
        if event.is_ending:
            self._is_over = True
            self._took = time.monotonic() - self._began
            self.message.refresh_from_db()


def check_pull(buffer_size: object, on_chunk: OnChunk | None) -> None:
    """Raise ValueError or TypeError for what Pull would refuse, before anything is asked."""
    if isinstance(buffer_size, bool) or not isinstance(buffer_size, int) or buffer_size < 1:
        raise ValueError(f"buffer_size must be a whole number of characters above 0, not {buffer_size!r}")
    Output(on_chunk).check_sync()
