"""Transformed: what a writer says, by way of the transforms for the record, into the outbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from converse_stream.events import TEXT_KINDS, Event, State, fold
from converse_stream.exceptions import ContentFiltered
from converse_stream.recorder import Outbox
from converse_stream.transforms import Pipeline, Transform

PAUSE = 0.05
"""Seconds between two looks at transforms that take their time at the end."""


class Transformed:
    """Takes what an outbox takes. Raise ContentFiltered where a transform has ended the answer."""

    def __init__(self, outbox: Outbox, transforms: Sequence[Transform]) -> None:
        self._outbox = outbox
        self._pipeline = Pipeline(transforms)
        self._position = 0
        self._is_over = False
        self._heard: list[Event] = []

    def text(self, kind: str, text: str) -> None:
        """Take a piece of text or reasoning."""
        self._put(self._feed([self._hear(kind, text)]))

    def part(self, kind: str, part: dict[str, Any]) -> None:
        """Take a tool call, tool result or data value."""
        self._put(self._feed([self._hear(kind, part)]))

    def settle(self) -> None:
        """Let go what is held back: nothing belongs together beyond this place."""
        self._put(self._feed([self._mark("start")]))

    def drain(self) -> Exception | None:
        """Let go everything before the ending. Return what keeps the answer from being complete."""
        try:
            for events in self._last():
                self._put(self._pipeline.feed(events))
                self._pause()
        except Exception as error:  # noqa: BLE001 - a site's own transform may raise anything: it ends the answer
            return error
        return None

    async def atext(self, kind: str, text: str) -> None:
        """Take a piece as `text` does, from async code."""
        self._put(await self._afeed([self._hear(kind, text)]))

    async def apart(self, kind: str, part: dict[str, Any]) -> None:
        """Take a part as `part` does, from async code."""
        self._put(await self._afeed([self._hear(kind, part)]))

    async def asettle(self) -> None:
        """Let go as `settle` does, from async code."""
        self._put(await self._afeed([self._mark("start")]))

    async def adrain(self) -> Exception | None:
        """Let go as `drain` does, from async code."""
        try:
            for events in self._last():
                self._put(await self._pipeline.afeed(events))
                await self._apause()
        except Exception as error:  # noqa: BLE001 - as above
            return error
        return None

    def said(self) -> list[dict[str, Any]]:
        """Return what was taken, as parts, before any transform."""
        return fold(self._heard)

    def keeps(self, state: State) -> bool:
        """Whether a provider can make something of its state: not where the words it belongs to are others."""
        return not (self._pipeline.changes_content and state.kind in TEXT_KINDS)

    def _feed(self, events: list[Event]) -> list[Event]:
        try:
            return self._pipeline.feed(events)
        except BaseException:
            self._is_over = True
            raise

    async def _afeed(self, events: list[Event]) -> list[Event]:
        try:
            return await self._pipeline.afeed(events)
        except BaseException:
            self._is_over = True
            raise

    def _last(self) -> Iterator[list[Event]]:
        """Yield the ending, and then nothing, until the ending has come out."""
        if not self._is_over:
            yield [self._mark("complete")]
        while not self._is_over:
            yield []

    def _pause(self) -> None:
        if not self._is_over:
            time.sleep(PAUSE)

    async def _apause(self) -> None:
        if not self._is_over:
            await asyncio.sleep(PAUSE)

    def _hear(self, kind: str, data: Any) -> Event:
        if kind in TEXT_KINDS and not isinstance(data, str):
            raise TypeError(f"text must be str, not {type(data).__name__}")
        start, self._position = self._position, self._position + (len(data) if kind in TEXT_KINDS else 1)
        event = Event(self._outbox.message_id, kind, start, self._position, data)
        self._heard.append(event)
        return event

    def _mark(self, kind: str) -> Event:
        return Event(self._outbox.message_id, kind, self._position, self._position, {"message": None})

    def _put(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.kind in TEXT_KINDS:
                self._outbox.text(event.kind, event.data)
            elif event.is_ending:
                self._is_over = True
                if event.kind != "complete":
                    raise ContentFiltered("a transform for the record has ended the answer")
            elif event.kind != "start":
                self._outbox.part(event.kind, event.data)
