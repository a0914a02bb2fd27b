"""The async twins of PrismStream's methods: the same, without blocking the event loop."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.db import Error

from converse_stream.database import run
from converse_stream.events import KIND_OF, Content, Data, Reasoning, Text, ToolCall, ToolResult
from converse_stream.exceptions import ConverseError, StreamClosed
from converse_stream.models import Message
from converse_stream.recorder import InlineRecorder
from converse_stream.writer.base import BaseStream


class AsyncStream(BaseStream):
    """What async code writes with."""

    @abstractmethod
    def write(self, content: Content) -> Self:
        """Write a content delta from sync code."""

    @abstractmethod
    def _write_text(self, kind: str, text: str) -> Self: ...

    @abstractmethod
    def settle(self) -> Self:
        """Let go what transforms hold back, from sync code."""

    @abstractmethod
    def flush(self) -> Self:
        """Commit from sync code."""

    @abstractmethod
    def _end(self, fields: Callable[[], Mapping[str, Any]]) -> Message: ...

    @abstractmethod
    def _finish(self, fields: Mapping[str, Any]) -> Message: ...

    async def aappend(self, text: str) -> Self:
        """Append as `append` does."""
        return await self._awrite_text("text", text)

    async def areasoning(self, text: str) -> Self:
        """Append as `reasoning` does."""
        return await self._awrite_text("reasoning", text)

    async def atool_call(self, id: str, name: str, arguments: Any, raw: str = "") -> Self:
        """Record as `tool_call` does."""
        return await self.awrite(ToolCall(id, name, arguments, raw))

    async def atool_result(self, id: str, name: str, result: Any, is_error: bool = False) -> Self:
        """Record as `tool_result` does."""
        return await self.awrite(ToolResult(id, name, result, is_error))

    async def adata(self, name: str, value: Any) -> Self:
        """Record as `data` does."""
        return await self.awrite(Data(name, value))

    async def awrite(self, content: Content) -> Self:
        """Write as `write` does."""
        if isinstance(content, Text | Reasoning):
            return await self._awrite_text(KIND_OF[type(content)], content.text)
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self.write)(content)
        part = self._part(content)
        if self._transformed:
            await self._transformed.apart(part["type"], part)
        else:
            self._outbox.part(part["type"], part)
        await self._aflush()
        return self

    async def _awrite_text(self, kind: str, text: str) -> Self:
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self._write_text)(kind, text)
        if self._outbox.is_full:
            await self._aflush()
        if self._transformed:
            await self._transformed.atext(kind, text)
        else:
            self._outbox.text(kind, text)
        self._recorder.note(self._outbox)
        return self

    async def asettle(self) -> Self:
        """Let go as `settle` does."""
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self.settle)()
        if self._transformed and not self.is_closed:
            await self._transformed.asettle()
            self._recorder.note(self._outbox)
        return self

    async def aflush(self) -> Self:
        """Commit as `flush` does."""
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self.flush)()
        self._check_open()
        await self._aflush()
        return self

    async def acomplete(
        self, response: object = None, *, usage: object = None, finish_reason: str | None = None, **metadata: Any
    ) -> Message:
        """End as `complete` does."""
        return await self._aend(partial(self._completion, response, usage, finish_reason, metadata))

    async def afail(self, error: BaseException | str, **metadata: Any) -> Message:
        """End as `fail` does."""
        return await self._aend(partial(self._failure, error, metadata))

    async def acancel(self) -> Message:
        """End as `cancel` does."""
        return await self._aend(self._cancellation)

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        fields = self._leave(error)
        try:
            with suppress(StreamClosed):  # somebody else was quicker
                if fields is not None:
                    await self._afinish(fields)
            if self.was_stopped:
                await asyncio.shield(run(self._settle))  # whoever stopped it may cancel this task more than once
        except (Error, ConverseError) as trouble:
            self._leave_without(trouble, error, fields)
        return self._is_quiet(error)

    async def _aend(self, fields: Callable[[], Mapping[str, Any]]) -> Message:
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self._end)(fields)
        self._check_open()
        return await self._afinish(fields())

    async def _afinish(self, fields: Mapping[str, Any]) -> Message:
        if isinstance(self._recorder, InlineRecorder):
            return await sync_to_async(self._finish)(fields)
        if self._transformed:
            fields = self._drained(fields, await self._transformed.adrain())
        self._outbox.end(fields)
        await self._aflush()
        return self._ended()

    async def _aflush(self) -> None:
        await asyncio.wrap_future(self._recorder.flush(self._outbox))
        self._check_stored()
