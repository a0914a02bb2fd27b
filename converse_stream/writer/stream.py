"""PrismStream: the one writer of a live message."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from converse_stream.events import Content, Data, Reasoning, Text, ToolCall, ToolResult, to_part
from converse_stream.exceptions import StreamClosed
from converse_stream.models import Message
from converse_stream.writer.asynchronous import AsyncStream


class PrismStream(AsyncStream):
    """Write an answer: append to it, then complete it, fail it, or leave that to the `with` block.

    What is appended is buffered and committed by the recorder together with everything else that is live;
    `tool_call`, `tool_result`, `data` and the endings return after their commit. After the ending every
    method raises StreamClosed; in a `with` block a stop from elsewhere ends the block quietly.
    """

    def append(self, text: str) -> Self:
        """Append text. Wait only when more than a quarter of a million characters are not committed yet."""
        return self._write_text("text", text)

    def reasoning(self, text: str) -> Self:
        """Append visible thinking, as `append` does with text."""
        return self._write_text("reasoning", text)

    def _write_text(self, kind: str, text: str) -> Self:
        self._outbox.text(kind, text)
        self._recorder.note(self._outbox)
        if self._outbox.is_full:
            self._flush()
        return self

    def tool_call(self, id: str, name: str, arguments: Any, raw: str = "") -> Self:
        """Record a request to run a tool: `arguments` is JSON, `raw` its text as written. Return when committed."""
        return self._part(ToolCall(id, name, arguments, raw))

    def tool_result(self, id: str, name: str, result: Any, is_error: bool = False) -> Self:
        """Record what a tool answered. Return when committed."""
        return self._part(ToolResult(id, name, result, is_error))

    def data(self, name: str, value: Any) -> Self:
        """Record a named JSON value: progress, a citation, a status. Return when committed."""
        return self._part(Data(name, value))

    def _part(self, content: ToolCall | ToolResult | Data) -> Self:
        part = to_part(content)
        self._outbox.part(part["type"], part)
        self._flush()
        return self

    def write(self, content: Content) -> Self:
        """Write a content delta."""
        if isinstance(content, Text):
            return self.append(content.text)
        if isinstance(content, Reasoning):
            return self.reasoning(content.text)
        return self._part(content)

    def flush(self) -> Self:
        """Return when all that was written is committed. Raise StreamClosed if somebody else has ended the message."""
        self._flush()
        return self

    def complete(
        self, response: object = None, *, usage: object = None, finish_reason: str | None = None, **metadata: Any
    ) -> Message:
        """End the message as complete and return it.

        `response` may be an Outcome, a mapping, or an object shaped like OpenAI's or Anthropic's responses;
        what it does not know overwrites nothing. Other keywords are kept as metadata.
        """
        return self._finish(self._completion(response, usage, finish_reason, metadata))

    def fail(self, error: BaseException | str, **metadata: Any) -> Message:
        """End the message as failed, with its text so far, and return it. The error is logged once."""
        return self._finish(self._failure(error, metadata))

    def cancel(self) -> Message:
        """End the message as cancelled, with its text so far, and return it."""
        return self._finish(self._cancellation())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            fields = self._leave(error)
            if fields is not None:
                self._finish(fields)
        except StreamClosed:
            pass  # somebody else was quicker
        if self.was_stopped:
            self._settle()
        return isinstance(error, StreamClosed) and self.was_stopped

    def _flush(self) -> None:
        self._check_waitable()
        self._recorder.flush(self._outbox).result()
        self._check_stored()

    def _finish(self, fields: Mapping[str, Any]) -> Message:
        self._outbox.end(fields)
        self._flush()
        return self._ended()
