"""Newline-delimited JSON without I/O: bytes in, lines out, however the bytes were cut on the way."""

from collections.abc import Iterator

from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.sse import MAX_EVENT_BYTES


class NDJSONDecoder:
    """Decode one stream of lines incrementally. Raise ProtocolError for a line larger than `max_line_bytes`.

    A line ends at LF and nowhere else: str.splitlines() and httpx's iter_lines() also split at U+2028 and others, which
    are ordinary characters of JSON. Blank lines are skipped.
    """

    def __init__(self, *, max_line_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_line_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that `data` completes; go through all of them before feeding on."""
        first, *more = data.split(b"\n")
        self._grow(first)
        for piece in more:
            yield from self.close()
            self._grow(piece)

    def close(self) -> Iterator[str]:
        """Yield the last line if the stream ended without a line end."""
        # Decoding whole lines only: a character cut in two by the network is whole again here.
        line = b"".join(self._pieces).decode("utf-8", "replace").strip(" \t\r\ufeff")
        self._pieces, self._size = [], 0
        if line:
            yield line

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max:
            raise ProtocolError(f"a line is larger than {self._max} bytes")
        if piece:
            self._pieces.append(piece)
