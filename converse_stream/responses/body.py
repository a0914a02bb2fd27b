"""The body of a response: a message's events in a dialect, as a sync and as an async iterable of bytes."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, suppress

from asgiref.sync import sync_to_async

from converse_stream.conf import settings
from converse_stream.database import release, submit
from converse_stream.dialects import Dialect
from converse_stream.events import Event
from converse_stream.exceptions import InternalError
from converse_stream.feed import AFTER_ENDING, abatches, batches
from converse_stream.models import Message


class Body:
    """What a response sends. Its viewer may leave at any moment."""

    def __init__(self, message: Message, position: int, dialect: Dialect, on_disconnect: str) -> None:
        self.message = message
        self.position = position
        self.dialect = dialect
        self.cancels = on_disconnect == "cancel"

    @property
    def _after(self) -> int | str:
        reads_from = self.dialect.reads_from(self.position)
        return f"{self.message.pk}.end" if reads_from == AFTER_ENDING else reads_from

    def __iter__(self) -> Iterator[bytes]:
        telling = Telling(self.message, self.position, self.dialect)
        try:
            if telling.prelude:
                yield telling.prelude
            stream = batches(self.message, self._after, beat=settings.SSE_HEARTBEAT)
            with closing(stream), suppress(Message.DoesNotExist):
                for events in stream:
                    if data := telling.tell(events):
                        yield data
                    if telling.is_over:
                        break
            if data := telling.last_word():
                yield data
            self.cancels = False
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        telling = Telling(self.message, self.position, self.dialect)
        try:
            await sync_to_async(release)()
            if telling.prelude:
                yield telling.prelude
            stream = abatches(self.message, self._after, beat=settings.SSE_HEARTBEAT)
            async with aclosing(stream):
                with suppress(Message.DoesNotExist):
                    async for events in stream:
                        if data := telling.tell(events):
                            yield data
                        if telling.is_over:
                            break
            if data := telling.last_word():
                yield data
            self.cancels = False
        finally:
            self.close()

    def close(self) -> None:
        """Stop the answer if its viewer has left before the end, and that is what was asked for."""
        if self.cancels:
            self.cancels = False
            submit(self.message.cancel)


class Telling:
    """What one viewer is told and when, in a dialect. Nothing at all is not sent: it would end a chunked body."""

    def __init__(self, message: Message, position: int, dialect: Dialect) -> None:
        self.prelude = dialect.prelude(settings.SSE_RETRY)
        self.is_over = False
        """Whether the response ends here: with the answer, or because its client can come back for the rest."""
        self._message_id = str(message.pk)
        self._dialect = dialect
        self._encoder = dialect.encoder(max(position, 0))
        self._beat = settings.SSE_HEARTBEAT
        self._told_at = time.monotonic()
        self._until = self._told_at + settings.SSE_MAX_SECONDS if dialect.has_cursors else math.inf

    def tell(self, events: list[Event]) -> bytes:
        """Return what the viewer is told of these events, or a heartbeat after a long silence."""
        if events and events[0].kind == "reset" and not self._dialect.can_reset:
            self.is_over = True
            return self._encoder.encode(events[:1])
        data, now = self._encoder.encode(events), time.monotonic()
        if not data and (not events or now - self._told_at >= self._beat):
            data = self._dialect.heartbeat
        if data:
            self._told_at = now
        self.is_over = now > self._until or (bool(events) and events[-1].is_ending)
        return data

    def last_word(self) -> bytes:
        """Return the failure of a message that is gone, for clients that would take its silence for success."""
        if self.is_over or self._dialect.has_cursors:
            return b""
        error = {"code": InternalError.code, "message": str(InternalError.public), "retryable": True}
        return self._encoder.encode([Event(self._message_id, "failed", 0, 0, {"message": None, "error": error})])
