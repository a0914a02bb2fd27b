"""EventStreamResponse: follow a message over HTTP, from any kind of view, under any server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from typing import Any, cast

from asgiref.sync import SyncToAsync, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from converse_stream.asking import ask
from converse_stream.conf import settings
from converse_stream.database import release, submit
from converse_stream.dialects import get_dialect
from converse_stream.exceptions import ConverseError, MalformedCursor, UnknownDialect
from converse_stream.feed import AFTER_ENDING, abatches, batches, parse
from converse_stream.models import Conversation, Message
from converse_stream.providers.bridge import iterate

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    # GZipMiddleware leaves alone what has an encoding already.
    "Content-Encoding": "identity",
}


class EventStreamResponse(StreamingHttpResponse):
    """An HTTP response that follows a message. Nothing durable hangs on it: it may end at any moment.

    It is sync and async at once: whoever serves it picks. `on_disconnect="cancel"` stops the answer when
    its viewer leaves before the ending; by default the answer goes on.
    Raise MalformedCursor or UnknownDialect.
    """

    def __init__(
        self,
        message: Message,
        *,
        after: int | str = 0,
        dialect: str = "native",
        on_disconnect: str = "continue",
        request: HttpRequest | None = None,
    ) -> None:
        _check_policy(on_disconnect)
        self.message = message
        """The message that is followed."""
        self._request = getattr(request, "_request", request)
        body = _Body(message, parse(after, str(message.pk)), dialect, on_disconnect)
        super().__init__(body, content_type=get_dialect(dialect).content_type, headers=HEADERS)
        cast(Any, self)._resource_closers.append(body.close)

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
        body = self._iterator
        parts = aiter(body) if hasattr(body, "__aiter__") else _pumped(iter(body))
        try:
            async for part in parts:
                yield self.make_bytes(part)
        finally:
            # Django closes this generator only; the one inside would stay until the garbage collector comes.
            if hasattr(parts, "aclose"):
                await parts.aclose()


class _Body:
    """The bytes of a response, as a sync and as an async iterable."""

    def __init__(self, message: Message, position: int, dialect: str, on_disconnect: str) -> None:
        self.message = message
        self.after = f"{message.pk}.end" if position == AFTER_ENDING else position
        self.dialect = get_dialect(dialect)
        self.cancels = on_disconnect == "cancel"

    def __iter__(self) -> Iterator[bytes]:
        until = time.monotonic() + settings.SSE_MAX_SECONDS
        try:
            yield self.dialect.prelude(settings.SSE_RETRY)
            stream = batches(self.message, self.after, beat=settings.SSE_HEARTBEAT)
            with closing(stream), suppress(Message.DoesNotExist):
                for events in stream:
                    yield self.dialect.encode(events) or self.dialect.heartbeat
                    if time.monotonic() > until:
                        break
            self.cancels = False
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        until = time.monotonic() + settings.SSE_MAX_SECONDS
        try:
            await sync_to_async(release)()
            yield self.dialect.prelude(settings.SSE_RETRY)
            stream = abatches(self.message, self.after, beat=settings.SSE_HEARTBEAT)
            async with aclosing(stream):
                with suppress(Message.DoesNotExist):
                    async for events in stream:
                        yield self.dialect.encode(events) or self.dialect.heartbeat
                        if time.monotonic() > until:
                            break
            self.cancels = False
        finally:
            self.close()

    def close(self) -> None:
        """Stop the answer if its viewer has left before the end, and that is what was asked for."""
        if self.cancels:
            self.cancels = False
            submit(self.message.cancel)


async def _pumped(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Iterate a sync body (a middleware has wrapped ours) in a thread of its own."""
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, "converse-body")
    try:
        while (part := await loop.run_in_executor(thread, next, parts, None)) is not None:
            yield part
    finally:
        thread.submit(getattr(parts, "close", list))
        thread.shutdown(wait=False)  # it may be waiting for the next event: the event loop must not


def _check_policy(on_disconnect: str) -> None:
    if on_disconnect not in ("continue", "cancel"):
        raise ValueError(f"on_disconnect must be 'continue' or 'cancel', not {on_disconnect!r}")


async def _nothing() -> None:
    """Close nothing."""


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def stream_response(
    conversation: Conversation,
    prompt: str | None = None,
    *,
    dialect: str = "native",
    on_disconnect: str = "continue",
    request: HttpRequest | None = None,
    **options: Any,
) -> EventStreamResponse:
    """Ask and follow; see Conversation.stream_response."""
    get_dialect(dialect)
    _check_policy(on_disconnect)
    message = ask(conversation, prompt, **options)
    return EventStreamResponse(message, dialect=dialect, on_disconnect=on_disconnect, request=request)


astream_response = sync_to_async(stream_response)


def follow_response(request: HttpRequest, message: Message) -> HttpResponseBase:
    """Answer a GET that follows a message.

    The cursor is the header Last-Event-ID, which a browser's EventSource sends when it comes back, or `?after=`,
    the format `?dialect=`. 204 when the cursor is behind
    the ending, 400 for a cursor or dialect that is none.
    """
    query: Mapping[str, str] = request.GET
    after = request.headers.get("Last-Event-ID") or query.get("after") or "0"
    try:
        position = parse(after, str(message.pk))
        if position == AFTER_ENDING and not message.is_live:
            return HttpResponse(status=204)
        return EventStreamResponse(message, after=after, dialect=query.get("dialect", "native"), request=request)
    except (MalformedCursor, UnknownDialect) as error:
        return JsonResponse(error_body(error), status=400)


def error_body(error: ConverseError) -> dict[str, Any]:
    """Return the JSON of an error, in words fit for the public."""
    return {"error": {"code": error.code, "message": str(error.public)}}
