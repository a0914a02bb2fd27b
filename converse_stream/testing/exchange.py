"""The sockets of a replay server: requests come in, answers go out."""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from converse_stream.testing.answer import Answer, End

if TYPE_CHECKING:
    from converse_stream.testing.replay import ReplayServer

RST_ON_CLOSE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER that makes close() reset a connection."""


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


class Listener(ThreadingHTTPServer):
    """The socket that listens, and the connections that are open."""

    daemon_threads = False  # so that closing waits for them, and no socket is left behind

    def __init__(self, replay: ReplayServer) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.replay = replay
        self._connections: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open for a next request."""
        for connection in tuple(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Listener

    def do_GET(self) -> None:
        """Answer."""
        self._exchange()

    def do_POST(self) -> None:
        """Answer."""
        self._exchange()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, _json(body), self.client_address[1])
        try:
            self._send(self.server.replay.answer_to(request))
        except ConnectionError:
            self._leave()

    def _send(self, answer: Answer) -> None:
        if answer.has_head:
            self._send_head(answer)
        for number, piece in enumerate(answer.pieces):
            if not self.server.replay.wait_for_gate(number, self._has_left):
                self._leave()
                return
            if piece:  # an empty chunk would be the end of the body
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.server.replay.count(len(piece))
        self._end(answer.end)

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _end(self, end: End) -> None:
        if end is End.PROPER:
            self.wfile.write(b"0\r\n\r\n")
            return
        self.close_connection = True
        if end is End.STALL:
            self.server.replay.wait_until(self._has_left)
            self._leave()
        elif end is End.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            self.connection.close()  # now, as http.server would say goodbye with a FIN first

    def _leave(self) -> None:
        self.close_connection = True
        self.server.replay.left()

    def _has_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
