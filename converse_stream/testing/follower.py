"""Follower: a viewer of the native dialect that records what it saw and does not let anything pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable
from typing import Any, Self, TypedDict

from converse_stream.events import END, ENDINGS, TEXT_KINDS
from converse_stream.providers.codecs.sse import ServerSentEvent, SSEDecoder


class Seen(TypedDict):
    """An event as it arrived."""

    event: str
    id: str
    data: dict[str, Any]


class Follower:
    """Consume the bytes of native event streams and keep what a viewer has after them.

    Read one response, or several one after the other: what follows a cut must continue it. Raise AssertionError
    for a gap, a repeat, an id that does not fit, anything after the ending, or an ending that tells another text.
    """

    def __init__(self, cursor: str = "") -> None:
        """Begin at the start of a message, or behind a cursor `<message id>.<position>`."""
        message_id, _, position = cursor.rpartition(".")
        self.cursor = cursor
        """Where to continue: for `?after=` or Last-Event-ID."""
        self.position = int(position) if position.isdigit() else 0
        """Where the next event must begin."""
        self.message_id = message_id
        self.text = ""
        """The text since the first cursor."""
        self.reasoning = ""
        self.parts: list[dict[str, Any]] = []
        """The tool calls, tool results and data values."""
        self.events: list[Seen] = []
        self.ending = ""
        """complete, failed or cancelled once it has ended."""
        self.message: dict[str, Any] | None = None
        """The message as the ending told it."""
        self.error: dict[str, Any] | None = None
        """The error as the ending told it."""
        self._began_at = self.position
        self._sse = SSEDecoder(max_event_bytes=64 * 1024 * 1024)

    def read(self, body: Iterable[bytes], *, until: int | None = None) -> Self:
        """Consume a response or any iterable of bytes; at most until `until` events were seen in all."""
        self.reconnect()
        for data in body:
            self.feed(data)
            if until is not None and len(self.events) >= until:
                break
        return self

    async def aread(self, body: AsyncIterable[bytes], *, until: int | None = None) -> Self:
        """Consume as `read` does, asynchronously."""
        self.reconnect()
        async for data in body:
            self.feed(data)
            if until is not None and len(self.events) >= until:
                break
        return self

    def reconnect(self) -> None:
        """Forget an event that was cut in two, as a browser does: the next bytes are of a new response."""
        self._sse = SSEDecoder(max_event_bytes=64 * 1024 * 1024)

    def feed(self, data: bytes) -> None:
        """Consume bytes, cut anywhere."""
        for event in self._sse.feed(data):
            self._see(event)

    def _see(self, event: ServerSentEvent) -> None:
        seen = Seen(event=event.event, id=event.id, data=json.loads(event.data))
        self._require(not self.ending, seen, f"came after the ending {self.ending!r}")
        self.events.append(seen)
        if seen["event"] == "reset":
            self._start_over()
        start = seen["data"].get("start")
        self._require(start == self.position, seen, f"begins at {start}, but the viewer is at {self.position}")
        self._apply(seen)
        self._check_id(seen)

    def _apply(self, seen: Seen) -> None:
        kind, data = seen["event"], seen["data"]
        if kind in TEXT_KINDS:
            self.position += len(data["text"])
            self.text += data["text"] if kind == "text" else ""
            self.reasoning += data["text"] if kind == "reasoning" else ""
        elif kind in ENDINGS:
            self._end(seen)
        elif kind not in ("start", "reset"):
            self.parts.append({key: value for key, value in data.items() if key != "start"})
            self.position += 1

    def _end(self, seen: Seen) -> None:
        self.ending = seen["event"]
        self.message, self.error = seen["data"].get("message"), seen["data"].get("error")
        told = (self.message or {}).get("content")
        if isinstance(told, str):
            same = told == self.text if self._began_at == 0 else told.endswith(self.text)
            self._require(same, seen, f"tells {len(told)} characters of text that are not the {len(self.text)} seen")

    def _check_id(self, seen: Seen) -> None:
        message_id, _, position = seen["id"].rpartition(".")
        self.message_id = self.message_id or message_id
        self._require(message_id == self.message_id, seen, f"is not of the message {self.message_id}")
        expected = END if self.ending else str(self.position)
        self._require(position == expected, seen, f"should leave the viewer at {expected}")
        self.cursor = seen["id"]

    def _start_over(self) -> None:
        self.position = self._began_at = 0
        self.text = self.reasoning = ""
        self.parts = []

    def _require(self, holds: bool, seen: Seen, what: str) -> None:
        if not holds:
            raise AssertionError(f"event {len(self.events)} ({seen['event']}, id {seen['id']}) {what}")
