"""HybridResponse: a streaming response for every kind of view and server, sync and async at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from asgiref.sync import SyncToAsync
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from converse_stream.providers.bridge import iterate


class HybridResponse(StreamingHttpResponse):
    """A response whose body can be iterated either way: whoever serves it picks."""

    def __init__(self, body: Any, *, request: HttpRequest | None = None, **options: Any) -> None:
        self._request = getattr(request, "_request", request)
        super().__init__(body, **options)

    @property
    def is_async(self) -> bool:  # type: ignore[override]  # an attribute that Django sets from the body's type
        """Whether the server that asked will iterate asynchronously."""
        if isinstance(self._request, ASGIRequest) or _in_event_loop():
            return True
        # Set by ASGIHandler for each request, and seen from its sync views too.
        context = getattr(SyncToAsync, "thread_sensitive_context", None)
        return context is not None and context.get(None) is not None

    def _set_streaming_content(self, value: Any) -> None:
        self._iterator = value

    @property
    def streaming_content(self) -> Any:
        """The body, which can be iterated either way; a middleware may replace it."""
        return self._iterator

    @streaming_content.setter
    def streaming_content(self, value: Any) -> None:
        self._set_streaming_content(value)

    def __iter__(self) -> Iterator[bytes]:
        body = self._iterator
        parts = iter(body) if hasattr(body, "__iter__") else iterate(lambda: aiter(body), _nothing)
        if hasattr(parts, "close"):
            cast(Any, self)._resource_closers.append(parts.close)
        return map(self.make_bytes, parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if await self._hand_over():
            return
        body = self._iterator
        parts = aiter(body) if hasattr(body, "__aiter__") else _pumped(iter(body))
        try:
            async for part in parts:
                yield self.make_bytes(part)
        finally:
            # Django closes this generator only; the one inside would stay until the garbage collector comes.
            if hasattr(parts, "aclose"):
                await parts.aclose()

    async def _hand_over(self) -> bool:
        """Leave the body to converse_application, where that is possible. Return whether it was."""
        return False


async def _pumped(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Iterate a sync body (a middleware has wrapped ours) in a thread of its own."""
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, "converse-body")
    try:
        while (part := await loop.run_in_executor(thread, next, parts, None)) is not None:
            yield part
    finally:
        thread.submit(getattr(parts, "close", list))
        thread.shutdown(wait=False)  # it may be waiting for the next event: the event loop must not


async def _nothing() -> None:
    """Close nothing."""


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
