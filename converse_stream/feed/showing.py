"""Showing: following a message by way of the transforms for one viewer; positions stay those of the record."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Any

from converse_stream.events import TEXT_KINDS, Event, fold, text_of, unfold
from converse_stream.feed.cursor import AFTER_ENDING, parse
from converse_stream.feed.feed import is_draining
from converse_stream.feed.following import abatches, batches
from converse_stream.feed.reading import start_event
from converse_stream.models import Message
from converse_stream.transforms import Pipeline, Transform
from converse_stream.transforms.base import checked

_PAUSE = 0.05
"""Seconds between two looks at what transforms still hold when the answer is over."""


def shown(
    message: Message, after: int | str = 0, *, through: Sequence[Transform] = (), **options: Any
) -> Generator[list[Event], None, None]:
    """Yield as `batches` does, by way of the transforms. Raise TypeError for one that is for the record only."""
    return _shown(_Show(message, after, through, **options)) if through else batches(message, after, **options)


def ashown(
    message: Message, after: int | str = 0, *, through: Sequence[Transform] = (), **options: Any
) -> AsyncGenerator[list[Event], None]:
    """Yield as `shown` does, in an event loop."""
    return _ashown(_Show(message, after, through, **options)) if through else abatches(message, after, **options)


def _shown(show: _Show) -> Generator[list[Event], None, None]:
    with closing(batches(show.message, show.reads_from, **show.options)) as stream:
        for events in stream:
            yield from show.told(show.pipeline.feed(events))
            if show.is_over:
                return
    while not show.is_over:
        time.sleep(_PAUSE)
        yield from show.told(show.pipeline.feed())


async def _ashown(show: _Show) -> AsyncGenerator[list[Event], None]:
    async with aclosing(abatches(show.message, show.reads_from, **show.options)) as stream:
        async for events in stream:
            for told in show.told(await show.pipeline.afeed(events)):
                yield told
            if show.is_over:
                return
    while not show.is_over:
        await asyncio.sleep(_PAUSE)
        for told in show.told(await show.pipeline.afeed()):
            yield told


def follow(
    message: Message, *, after: int | str = 0, timeout: float | None = None, through: Sequence[Transform] = ()
) -> Generator[Event, None, None]:
    """Follow a message; see Message.follow."""
    with closing(shown(message, after, through=through, beat=timeout)) as stream:
        for events in stream:
            if not events:
                raise TimeoutError(f"message {message.pk}: no news for {timeout} s")
            yield from events


async def afollow(
    message: Message,
    *,
    after: int | str = 0,
    timeout: float | None = None,  # noqa: ASYNC109 - the twin of follow()
    through: Sequence[Transform] = (),
) -> AsyncGenerator[Event, None]:
    """Follow a message in an event loop; see Message.afollow."""
    async with aclosing(ashown(message, after, through=through, beat=timeout)) as stream:
        async for events in stream:
            if not events:
                raise TimeoutError(f"message {message.pk}: no news for {timeout} s")
            for event in events:
                yield event


class _Show:
    """What one viewer has been shown."""

    def __init__(
        self,
        message: Message,
        after: int | str,
        through: Sequence[Transform],
        *,
        beat: float | None = None,
        until_drain: bool = False,
    ) -> None:
        checked(through, for_viewer=True)
        self.message = message
        self.pipeline = Pipeline(through)
        position = parse(after, str(message.pk))
        self.reads_from = 0 if self.pipeline.changes_content else after
        """Where to read from. What is masked depends on what is before it, whatever a viewer says it has seen."""
        tick = min(filter(None, (beat, self.pipeline.interval)), default=None)
        self.options: dict[str, Any] = {"beat": tick, "until_drain": until_drain}
        self.is_over = False
        self._position: float = math.inf if position == AFTER_ENDING else position
        self._beat = beat
        self._until_drain = until_drain
        self._said: list[Event] = []
        self._told_at = time.monotonic()

    def told(self, events: Iterable[Event]) -> Iterator[list[Event]]:
        """Yield what the viewer is told: these events, or, when a beat is due, an empty list."""
        found = [part for event in events for part in self._seen(event)]
        now = time.monotonic()
        is_due = self._beat is not None and now - self._told_at >= self._beat
        if found or is_due or (self._until_drain and is_draining()):
            self._told_at = now
            yield found

    def _seen(self, event: Event) -> Iterator[Event]:
        if event.is_ending:
            self.is_over = True
            yield from self._ended(event)
            return
        if event.kind == "reset":
            self._position = 0
        if event.kind not in ("start", "reset"):
            if event.kind in TEXT_KINDS and len(event.data) != event.end - event.start:
                raise ValueError("a transform for a viewer must keep the length of text")
            self._said += [event] if self.pipeline.changes_content else []
        if event.start >= self._position:
            yield event
        elif event.end > self._position:
            yield event.since(int(self._position))

    def _ended(self, ending: Event) -> Iterator[Event]:
        if not self.pipeline.changes_content:
            yield ending
            return
        parts = fold(self._said)
        if self._position not in (math.inf, 0) and self._position > ending.start:
            # Nobody gave out this position: the viewer begins anew, with what it may see.
            yield start_event(self.message, "reset")
            yield from unfold(ending.message_id, parts)
        yield Event(ending.message_id, ending.kind, ending.start, ending.end, self._replaced(ending.data, parts))

    def _replaced(self, data: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
        message = data.get("message")
        if not message or message["content"] is None:
            return data
        return {**data, "message": {**message, "content": text_of(parts), "parts": parts}}
