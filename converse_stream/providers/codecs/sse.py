"""Server-sent events without I/O: bytes in, events out, however the bytes were cut on the way.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream",
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation (read 2026-11-21).
"""

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from converse_stream.exceptions import ProtocolError

MAX_EVENT_BYTES = 1024 * 1024
_MAX_STRAY_BYTES = 64 * 1024
# end-of-line = CRLF / CR / LF, and nothing else: str.splitlines() and httpx's iter_lines() also split at
# U+2028, U+0085 and others, which are ordinary characters of JSON.
_LINE_END = re.compile(rb"\r\n|\r|\n")


class ServerSentEvent(NamedTuple):
    """One dispatched event."""

    event: str
    """The event type; empty when the stream did not name one (the standard's default is `message`)."""
    data: str
    id: str
    """The last event ID: it stays until the stream sets another."""


class SSEDecoder:
    """Decode one event stream incrementally.

    Two rules are stricter than a browser's, because providers do it: an event with empty data is skipped, and
    `close()` dispatches an event that the stream did not terminate. Raise ProtocolError for an event larger
    than `max_event_bytes`.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._line: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._at_start = True
        self._event = ""
        self._data: list[str] = []
        self._id = ""
        self._stray: list[bytes] = []
        self._stray_size = 0

    @property
    def stray(self) -> str:
        """The first lines that were no fields: where a server sends a bare JSON error into its event stream."""
        return b"\n".join(self._stray).decode("utf-8", "replace")

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that `data` completes; go through all of them before feeding on."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or data.endswith(b"\r")
        first, *more = _LINE_END.split(data)
        self._grow(first)
        for piece in more:
            if event := self._end_line():
                yield event
            if piece:
                self._grow(piece)

    def close(self) -> Iterator[ServerSentEvent]:
        """Yield the last event if the stream ended without the blank line after it."""
        for event in (self._end_line(), self._dispatch()):
            if event:
                yield event

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max:
            raise ProtocolError(f"an event is larger than {self._max} bytes")
        if piece:
            self._line.append(piece)

    def _end_line(self) -> ServerSentEvent | None:
        line = b"".join(self._line)
        self._line = []
        if self._at_start:
            line, self._at_start = line.removeprefix(codecs.BOM_UTF8), False
        if not line:
            return self._dispatch()
        if not line.startswith(b":"):
            self._field(line)
        elif not self._data:
            self._size = 0  # keep-alive comments between events belong to no event
        return None

    def _field(self, line: bytes) -> None:
        # Decoding whole lines only: a character cut in two by the network is whole again here.
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self._id = self._id if "\0" in value else value
        elif name != "retry":
            self._keep_stray(line)

    def _keep_stray(self, line: bytes) -> None:
        if self._stray_size + len(line) <= _MAX_STRAY_BYTES:
            self._stray.append(line)
            self._stray_size += len(line)

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._event, "\n".join(self._data), self._id)
        self._event, self._data, self._size = "", [], 0
        return event if event.data else None
