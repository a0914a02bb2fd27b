"""PrismStream: the one writer of a live message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from django.db import Error

from converse_stream.events import Content, Data, Reasoning, Text, ToolCall, ToolResult
from converse_stream.exceptions import ConverseError, StreamClosed
from converse_stream.models import Message
from converse_stream.writer.asynchronous import AsyncStream


class PrismStream(AsyncStream):
    """Write an answer: append to it, then complete it, fail it, or leave that to the `with` block.

    What is appended is buffered and committed by the recorder together with everything else that is live;
    `tool_call`, `tool_result`, `data` and the endings return after their commit. After the ending every
    method raises StreamClosed; in a `with` block a stop from elsewhere ends the block quietly.

    A stream that was opened in a transaction belongs to it. What another thread writes waits, until the
    transaction is over, for the next write of its own thread; ending it is up to that thread.
    """

    def append(self, text: str) -> Self:
        """Append text. Wait only when more than a quarter of a million characters are not committed yet."""
        return self._write_text("text", text)

    def reasoning(self, text: str) -> Self:
        """Append visible thinking, as `append` does with text."""
        return self._write_text("reasoning", text)

    def _write_text(self, kind: str, text: str) -> Self:
        if self._outbox.is_full:
            self._flush()
        (self._transformed or self._outbox).text(kind, text)
        self._recorder.note(self._outbox)
        return self

    def tool_call(self, id: str, name: str, arguments: Any, raw: str = "") -> Self:
        """Record a request to run a tool: `arguments` is JSON, `raw` its text as written. Return when committed."""
        return self._write_part(ToolCall(id, name, arguments, raw))

    def tool_result(self, id: str, name: str, result: Any, is_error: bool = False) -> Self:
        """Record what a tool answered. Return when committed."""
        return self._write_part(ToolResult(id, name, result, is_error))

    def data(self, name: str, value: Any) -> Self:
        """Record a named JSON value: progress, a citation, a status. Return when committed."""
        return self._write_part(Data(name, value))

    def _write_part(self, content: Content) -> Self:
        part = self._part(content)
        self._check_waitable()
        (self._transformed or self._outbox).part(part["type"], part)
        self._flush()
        return self

    def write(self, content: Content) -> Self:
        """Write a content delta. Raise TypeError for anything else."""
        if isinstance(content, Text):
            return self.append(content.text)
        if isinstance(content, Reasoning):
            return self.reasoning(content.text)
        return self._write_part(content)

    def settle(self) -> Self:
        """Let transforms for the record let go what they hold back, as nothing belongs together beyond this place."""
        if self._transformed and not self.is_closed:
            self._transformed.settle()
            self._recorder.note(self._outbox)
        return self

    def flush(self) -> Self:
        """Return when all that was written is committed. Raise StreamClosed if the message has ended."""
        self._check_open()
        self._flush()
        return self

    def complete(
        self, response: object = None, *, usage: object = None, finish_reason: str | None = None, **metadata: Any
    ) -> Message:
        """End the message as complete and return it.

        `response` may be an Outcome, a mapping, or an object shaped like OpenAI's or Anthropic's responses;
        what it does not know overwrites nothing. Other keywords are kept as metadata.
        """
        return self._end(partial(self._completion, response, usage, finish_reason, metadata))

    def fail(self, error: BaseException | str, **metadata: Any) -> Message:
        """End the message as failed, with its text so far, and return it. The error is logged once."""
        return self._end(partial(self._failure, error, metadata))

    def cancel(self) -> Message:
        """End the message as cancelled, with its text so far, and return it."""
        return self._end(self._cancellation)

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        fields = self._leave(error)
        try:
            with suppress(StreamClosed):  # somebody else was quicker
                if fields is not None:
                    self._finish(fields)
            if self.was_stopped:
                self._settle()
        except (Error, ConverseError) as trouble:
            self._leave_without(trouble, error, fields)
        return self._is_quiet(error)

    def _flush(self) -> None:
        self._check_waitable()
        self._recorder.flush(self._outbox).result()
        self._check_stored()

    def _end(self, fields: Callable[[], Mapping[str, Any]]) -> Message:
        self._check_endable()
        return self._finish(fields())

    def _finish(self, fields: Mapping[str, Any]) -> Message:
        self._check_endable()
        if self._transformed:
            fields = self._drained(fields, self._transformed.drain())
        self._outbox.end(fields)
        self._flush()
        return self._ended()
