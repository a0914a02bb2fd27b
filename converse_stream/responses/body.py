"""The body of a response: a message's events in a dialect, as a sync and as an async iterable of bytes."""

from __future__ import annotations

import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing, suppress
from typing import Any

from asgiref.sync import sync_to_async

from converse_stream.conf import settings
from converse_stream.database import release, submit
from converse_stream.dialects import Dialect
from converse_stream.events import Event
from converse_stream.exceptions import InternalError
from converse_stream.feed import AFTER_ENDING, ashown, is_draining, shown
from converse_stream.models import Message
from converse_stream.transforms import Transform

PORTION = 65_536
"""Units of text that are sent in one piece, or one event."""


def scattered(value: float, least: float, most: float) -> int:
    """Return about `value`: whoever was sent away at once must not come back at once."""
    return max(1, round(value * random.uniform(least, most)))


def longest() -> float:
    """Return the seconds that one response may last: SSE_MAX_SECONDS, or a little less."""
    return float(settings.SSE_MAX_SECONDS * random.uniform(0.8, 1))


def portions(events: list[Event]) -> Iterator[list[Event]]:
    """Yield the events in so few lists that none has much more than PORTION units: servers buffer all of a piece."""
    first, room = 0, PORTION
    for number, event in enumerate(events):
        if room <= 0:
            yield events[first:number]
            first, room = number, PORTION
        room -= event.end - event.start
    yield events[first:]


class Body:
    """What a response sends. Its viewer may leave at any moment."""

    def __init__(
        self, message: Message, position: int, dialect: Dialect, on_disconnect: str, through: Sequence[Transform] = ()
    ) -> None:
        self.message = message
        self.position = position
        self.dialect = dialect
        self.through = through
        self.cancels = on_disconnect == "cancel"
        self._telling: Telling | None = None

    @property
    def _after(self) -> int | str:
        reads_from = self.dialect.reads_from(self.position)
        return f"{self.message.pk}.end" if reads_from == AFTER_ENDING else reads_from

    def __iter__(self) -> Iterator[bytes]:
        telling = self._tell()
        try:
            if telling.prelude:
                yield telling.prelude
            stream = shown(self.message, self._after, **self._options)
            with closing(stream), suppress(Message.DoesNotExist):
                for events in stream:
                    for portion in portions(events):
                        if data := telling.tell(portion):
                            yield data
                    if telling.is_over:
                        break
            if data := telling.last_word():
                yield data
            self.cancels = False
        finally:
            self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.parts(holds_connection=True)

    async def parts(self, *, holds_connection: bool = False) -> AsyncGenerator[bytes, None]:
        """Yield what is sent. The request's database connection, if the caller still holds it, is given back first."""
        telling = self._tell()
        try:
            if holds_connection:
                await sync_to_async(release)()
            if telling.prelude:
                yield telling.prelude
            stream = ashown(self.message, self._after, **self._options)
            async with aclosing(stream):
                with suppress(Message.DoesNotExist):
                    async for events in stream:
                        for portion in portions(events):
                            if data := telling.tell(portion):
                                yield data
                        if telling.is_over:
                            break
                        del events, portion, data  # whoever waits holds nothing of what was said
            if data := telling.last_word():
                yield data
            self.cancels = False
        finally:
            self.close()

    @property
    def _options(self) -> dict[str, Any]:
        return {"through": self.through, "beat": settings.SSE_HEARTBEAT, "until_drain": True}

    def _tell(self) -> Telling:
        self._telling = Telling(self.message, self.position, self.dialect)
        return self._telling

    def farewell(self) -> bytes:
        """Return what a viewer is told whose response ends before its time; empty where the end says enough."""
        return self._telling.last_word() if self._telling is not None else b""

    def close(self) -> None:
        """Stop the answer if its viewer has left before the end, and that is what was asked for."""
        if self.cancels:
            self.cancels = False
            submit(self.message.cancel)


class Telling:
    """What one viewer is told and when, in a dialect. Nothing at all is not sent: it would end a chunked body."""

    def __init__(self, message: Message, position: int, dialect: Dialect) -> None:
        self.prelude = dialect.prelude(scattered(settings.SSE_RETRY, 0.5, 1.5))
        self.is_over = False
        """Whether the response ends here: with the answer, or because its client can come back for the rest."""
        self._message_id = str(message.pk)
        self._dialect = dialect
        self._encoder = dialect.encoder(max(position, 0))
        self._beat = settings.SSE_HEARTBEAT
        self._told_at = time.monotonic()
        self._until = self._told_at + longest() if dialect.has_cursors else math.inf

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
        has_ended = bool(events) and events[-1].is_ending
        self.is_over = has_ended or now > self._until or (is_draining() and self._dialect.has_cursors)
        return data

    def last_word(self) -> bytes:
        """Return the failure of a message that is gone, for clients that would take its silence for success."""
        if self.is_over or self._dialect.has_cursors:
            return b""
        error = {"code": InternalError.code, "message": str(InternalError.public), "retryable": True}
        return self._encoder.encode([Event(self._message_id, "failed", 0, 0, {"message": None, "error": error})])
