"""PrismStream: the one writer of a live message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async

from converse_stream.database import run
from converse_stream.events import Data, Finish, Reasoning, Served, Text, ToolCall, ToolResult, Usage, to_part
from converse_stream.exceptions import Shutdown, StreamClosed
from converse_stream.models import Message, Status
from converse_stream.models.opening import check_metadata
from converse_stream.outcome import Outcome, normal_reason, read_outcome, read_usage
from converse_stream.recorder import InlineRecorder, Outbox, Recorder, failure, fill_in, get_recorder

logger = logging.getLogger("converse_stream")


class PrismStream:
    """Write an answer: append to it, then complete it, fail it, or leave that to the `with` block.

    What is appended is buffered and committed by the recorder together with everything else that is live;
    `tool_call`, `tool_result`, `data` and the endings return after their commit. After the ending every
    method raises StreamClosed; in a `with` block a stop from elsewhere ends the block quietly.
    """

    def __init__(
        self,
        message: Message,
        recorder: Recorder | InlineRecorder | None = None,
        *,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self.message = message
        """The message being written; its id is known before the first delta."""
        self._recorder = recorder or get_recorder()
        self._outbox = Outbox(message, on_closed)
        self.outcome = Outcome()
        """What is known of the answer besides its content."""
        self._recorder.open(self._outbox)

    @property
    def position(self) -> int:
        """The end of all that was appended, committed or not."""
        return self._outbox.position

    @property
    def is_closed(self) -> bool:
        """Whether the message has ended, by this writer or by somebody else."""
        return self._outbox.is_closed

    @property
    def was_stopped(self) -> bool:
        """Whether somebody else has ended the message."""
        return self._outbox.lost

    def append(self, text: str) -> Self:
        """Append text. Wait only when more than a quarter of a million characters are not committed yet."""
        return self._written("text", text)

    def reasoning(self, text: str) -> Self:
        """Append visible thinking, as `append` does with text."""
        return self._written("reasoning", text)

    def _written(self, kind: str, text: str) -> Self:
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

    def learn(self, known: Outcome | Usage | Finish | Served) -> None:
        """Keep what is known of model, finish reason, request id or usage, for the ending."""
        self.outcome = self.outcome.updated(known)

    def write(self, content: Text | Reasoning | ToolCall | ToolResult | Data) -> Self:
        """Write a content delta."""
        if isinstance(content, Text):
            return self.append(content.text)
        if isinstance(content, Reasoning):
            return self.reasoning(content.text)
        return self._part(content)

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

    # Async twins: the same, without blocking the event loop.

    async def aappend(self, text: str) -> Self:
        """Append as `append` does."""
        return await self.awrite(Text(text))

    async def areasoning(self, text: str) -> Self:
        """Append as `reasoning` does."""
        return await self.awrite(Reasoning(text))

    async def atool_call(self, id: str, name: str, arguments: Any, raw: str = "") -> Self:
        """Record as `tool_call` does."""
        return await self.awrite(ToolCall(id, name, arguments, raw))

    async def atool_result(self, id: str, name: str, result: Any, is_error: bool = False) -> Self:
        """Record as `tool_result` does."""
        return await self.awrite(ToolResult(id, name, result, is_error))

    async def adata(self, name: str, value: Any) -> Self:
        """Record as `data` does."""
        return await self.awrite(Data(name, value))

    async def awrite(self, content: Text | Reasoning | ToolCall | ToolResult | Data) -> Self:
        """Write a content delta."""
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self.write)(content)
        part = to_part(content)
        if isinstance(content, Text | Reasoning):
            self._outbox.text(part["type"], part["text"])
            self._recorder.note(self._outbox)
            if not self._outbox.is_full:
                return self
        else:
            self._outbox.part(part["type"], part)
        await asyncio.wrap_future(self._recorder.flush(self._outbox))
        return self

    async def acomplete(
        self, response: object = None, *, usage: object = None, finish_reason: str | None = None, **metadata: Any
    ) -> Message:
        """End as `complete` does."""
        return await self._afinish(self._completion(response, usage, finish_reason, metadata))

    async def afail(self, error: BaseException | str, **metadata: Any) -> Message:
        """End as `fail` does."""
        return await self._afinish(self._failure(error, metadata))

    async def acancel(self) -> Message:
        """End as `cancel` does."""
        return await self._afinish(self._cancellation())

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            fields = self._leave(error)
            if fields is not None:
                await self._afinish(fields)
        except StreamClosed:
            pass  # somebody else was quicker
        if self.was_stopped:
            await run(self._settle)
        return isinstance(error, StreamClosed) and self.was_stopped

    def _leave(self, error: BaseException | None) -> Mapping[str, Any] | None:
        """Return the ending that leaving the `with` block makes, or None where there is one already."""
        if self.is_closed:
            return None
        return self._completion() if error is None else self._failure(error)

    def _completion(
        self,
        response: object = None,
        usage: object = None,
        finish_reason: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        kept = check_metadata(metadata)
        self.learn(read_outcome(response))
        if usage is not None:
            self.learn(read_usage(usage))
        if finish_reason is not None:
            self.learn(Finish(normal_reason(finish_reason), finish_reason))
        return {"status": Status.COMPLETE, "finish_reason": "stop", **self.outcome.columns(), "metadata": kept}

    def _failure(self, error: BaseException | str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        kept = check_metadata(metadata)
        if isinstance(error, BaseException) and not isinstance(error, Exception):
            error = Shutdown(f"the writer was interrupted by {type(error).__name__}")
        fields = failure(error)
        trace = error if isinstance(error, BaseException) else None
        logger.error("message %s failed: %s", self.message.pk, fields["error_code"], exc_info=trace)
        return {**self.outcome.columns(), **fields, "metadata": kept}

    def _cancellation(self) -> dict[str, Any]:
        return {**self.outcome.columns(), "status": Status.CANCELLED, "finish_reason": "cancelled"}

    def _flush(self) -> None:
        self._recorder.flush(self._outbox).result()

    def _finish(self, fields: Mapping[str, Any]) -> Message:
        self._outbox.end(fields)
        self._flush()
        return self._ended()

    async def _afinish(self, fields: Mapping[str, Any]) -> Message:
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self._finish)(fields)
        self._outbox.end(fields)
        await asyncio.wrap_future(self._recorder.flush(self._outbox))
        return self._ended()

    def _ended(self) -> Message:
        if self._outbox.lost:
            raise StreamClosed(f"message {self._outbox.message_id} was ended by somebody else")
        if self._outbox.error is not None:
            raise self._outbox.error
        self.message.__dict__.update(self._outbox.message.__dict__)
        return self.message

    def _settle(self) -> None:
        """After a stop by somebody else: add the writer's own figures to the row, once, and read it."""
        fill_in(self._outbox, self.outcome.columns())
        self.message.refresh_from_db()
