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
        self._held: list[bytes] = []
        """The pieces of a line that has not ended yet."""
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
        *lines, rest = _LINE_END.split(data) if b"\r" in data else data.split(b"\n")
        for line in lines:
            self._grow(line)
            if self._held or self._at_start:
                line = self._joined(line)
            if not line:
                if event := self._dispatch():
                    yield event
            elif line.startswith(b"data: "):
                self._data.append(line[6:].decode("utf-8", "replace"))
            else:
                self._field(line)
        if rest:
            self._grow(rest)
            self._held.append(rest)

    def close(self) -> Iterator[ServerSentEvent]:
        """Yield the last event if the stream ended without the blank line after it."""
        return self.feed(b"\n\n")

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max:
            raise ProtocolError(f"an event is larger than {self._max} bytes")

    def _joined(self, end: bytes) -> bytes:
        """Return the whole of a line that arrived in pieces, of which `end` is the last."""
        line = b"".join([*self._held, end])
        self._held = []
        if self._at_start:
            line, self._at_start = line.removeprefix(codecs.BOM_UTF8), False
        return line

    def _field(self, line: bytes) -> None:
        # Decoding whole lines only: a character cut in two by the network is whole again here.
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self._id = self._id if "\0" in value else value
        elif not name and colon:
            if not self._data:
                self._size = 0  # keep-alive comments between events belong to no event
        elif name != "retry":
            self._keep_stray(line)

    def _keep_stray(self, line: bytes) -> None:
        if self._stray_size + len(line) <= _MAX_STRAY_BYTES:
            self._stray.append(line)
            self._stray_size += len(line)

    def _dispatch(self) -> ServerSentEvent | None:
        data = "\n".join(self._data)
        event = ServerSentEvent(self._event, data, self._id) if data else None
        self._event, self._data, self._size = "", [], 0
        return event
