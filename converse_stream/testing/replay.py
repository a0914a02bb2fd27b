"""ReplayServer: a real HTTP server on a socket that answers every request with a recorded provider body."""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_EVENT_END = re.compile(rb"(?:\r\n|\n|\r){2}")
_LOOK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """With lower-case names."""
    json: Any
    """The body; None if it is no JSON."""
    port: int
    """The client's: requests over one connection have the same."""


class ReplayServer:
    """Replay a body: `with ReplayServer(body) as server: …` with `server.url` as a provider's `base_url`.

    `body` is bytes, or the path of a file; a `.json` file of the same name beside it may tell its status, content
    type and headers. It is sent as one HTTP chunk for each piece: `pieces` gives their sizes (one number for all,
    or a sequence, repeated), otherwise a piece is one server-sent event.

    `interval` seconds pass before each piece but the first; with a `gate`, all pieces after the first
    `before_gate` wait until it is set. With `cut`, the connection breaks after the last piece, without the
    proper end of an HTTP body.
    """

    def __init__(
        self,
        body: bytes | str | Path,
        *,
        pieces: int | Sequence[int] | None = None,
        interval: float = 0.0,
        gate: threading.Event | None = None,
        before_gate: int = 1,
        status: int | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        recorded = _sidecar(body)
        self.body = body if isinstance(body, bytes) else Path(body).read_bytes()
        self.pieces = list(_split(self.body, pieces))
        self.interval = interval
        self.gate = gate
        self.before_gate = before_gate
        self.status = status or recorded.get("http_status") or 200
        self.headers = {**_sendable(recorded.get("headers") or {}), **_sendable(headers or {})}
        self.headers["content-type"] = content_type or recorded.get("content_type") or "text/event-stream"
        self.cut = cut
        self.requests: list[Request] = []
        """The requests so far, in order."""
        self.requested = threading.Event()
        """Set when a request has arrived."""
        self.disconnected = threading.Event()
        """Set when a client has left in the middle of an answer."""
        self._closing = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The address to use as `base_url`; the server answers at any path beneath it."""
        if self._server is None:
            raise RuntimeError("the server is not running: use it in a with block")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="replay-server", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._server = None

    def wait_for_gate(self, number: int, client: socket.socket) -> bool:
        """Wait until piece `number` may be sent. Return False when the client left or the server closes."""
        until = time.monotonic() + (self.interval if number else 0.0)
        while not self._closing.is_set() and not _has_left(client):
            gated = self.gate is not None and number >= self.before_gate and not self.gate.is_set()
            if not gated and time.monotonic() >= until:
                return True
            self._closing.wait(_LOOK_SECONDS)
        return False


class _Server(ThreadingHTTPServer):
    """The socket that listens, and the connections that are open."""

    daemon_threads = False  # so that closing waits for them, and no socket is left behind

    def __init__(self, replay: ReplayServer) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.replay = replay
        self._connections: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open for a next request."""
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        replay = self.server.replay
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        replay.requests.append(Request(self.command, self.path, headers, _json(body), self.client_address[1]))
        replay.requested.set()
        try:
            self._send(replay)
        except ConnectionError:
            self._leave(replay)

    def _send(self, replay: ReplayServer) -> None:
        self.send_response(replay.status)
        for name, value in replay.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, piece in enumerate(replay.pieces):
            if not replay.wait_for_gate(number, self.connection):
                self._leave(replay)
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if replay.cut:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _leave(self, replay: ReplayServer) -> None:
        self.close_connection = True
        replay.disconnected.set()


def _has_left(client: socket.socket) -> bool:
    readable, _, _ = select.select([client], [], [], 0)
    return bool(readable) and client.recv(1, socket.MSG_PEEK) == b""


def _sidecar(body: bytes | str | Path) -> dict[str, Any]:
    beside = None if isinstance(body, bytes) else Path(body).with_suffix(".json")
    if beside is None or not beside.is_file():
        return {}
    recorded: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    return recorded


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    # The recorded body is decoded and is sent in chunks: what says otherwise stays behind.
    own = {"content-length", "content-encoding", "transfer-encoding", "connection", "date", "server"}
    return {name.lower(): value for name, value in headers.items() if name.lower() not in own}


def _split(body: bytes, pieces: int | Sequence[int] | None) -> Iterator[bytes]:
    if pieces is None:
        yield from _events(body)
        return
    sizes = [pieces] if isinstance(pieces, int) else list(pieces)
    start = number = 0
    while start < len(body):
        size = sizes[number % len(sizes)]
        yield body[start : start + size]
        start, number = start + size, number + 1


def _events(body: bytes) -> Iterator[bytes]:
    start = 0
    for match in _EVENT_END.finditer(body):
        yield body[start : match.end()]
        start = match.end()
    if start < len(body):
        yield body[start:]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
