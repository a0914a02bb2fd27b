"""ReplayServer: a real HTTP server on a socket that answers with recorded provider bodies, or with faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from converse_stream.testing.answer import Answer, Body, End, recorded
from converse_stream.testing.exchange import Listener, Request
from converse_stream.testing.faults import Fault

Turn: TypeAlias = Fault | Body | None
"""What a request gets: a fault, another body than the server's, or the server's."""
Faults: TypeAlias = Turn | Sequence[Turn] | Callable[[Request], Turn]
_LOOK_SECONDS = 0.005


class ReplayServer:
    """Replay a body: `with ReplayServer(body) as server: …` with `server.url` as a provider's `base_url`.

    `body` is bytes, or the path of a file; a `.json` file of the same name beside it may tell its status, content
    type and headers. It is sent as one HTTP chunk for each piece: `pieces` gives their sizes (one number for all,
    or a sequence, repeated), otherwise a piece is one server-sent event.

    `faults` says what goes wrong, or is said instead: one fault or other body for every request; a list with one
    for each request in turn, None for nothing wrong, after whose end nothing goes wrong; or a function of the
    Request. `interval` seconds pass before each piece but the first; with a `gate`, all pieces after the first
    `before_gate` wait until it is set. With `cut`, the connection breaks after the last piece, without the
    proper end of an HTTP body.
    """

    def __init__(
        self,
        body: Body,
        *,
        faults: Faults = None,
        pieces: int | Sequence[int] | None = None,
        interval: float = 0.0,
        gate: threading.Event | None = None,
        before_gate: int = 1,
        status: int | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> None:
        end = End.CUT if cut else End.PROPER
        self.answer = recorded(body, pieces=pieces, status=status, content_type=content_type, headers=headers, end=end)
        """What a request gets where nothing goes wrong."""
        self.faults = faults
        self.interval = interval
        self.gate = gate
        self.before_gate = before_gate
        self.requests: list[Request] = []
        """The requests so far, in order."""
        self.requested = threading.Event()
        """Set when a request has arrived."""
        self.disconnected = threading.Event()
        """Set when a client has left in the middle of an answer."""
        self.sent = 0
        """How many bytes of bodies were handed to the network so far."""
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listener: Listener | None = None

    @property
    def url(self) -> str:
        """The address to use as `base_url`; the server answers at any path beneath it."""
        if self._listener is None:
            raise RuntimeError("the server is not running: use it in a with block")
        return f"http://127.0.0.1:{self._listener.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._listener = Listener(self)
        threading.Thread(target=self._listener.serve_forever, args=(0.01,), name="replay-server", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.hang_up()
            self._listener.server_close()
            self._listener = None

    def answer_to(self, request: Request) -> Answer:
        """Note a request and return what it gets."""
        with self._lock:
            self.requests.append(request)
            turn = _turn(self.faults, len(self.requests) - 1, request)
        self.requested.set()
        if turn is None:
            return self.answer
        return turn.spoil(self.answer) if isinstance(turn, Fault) else recorded(turn)

    def wait_for_gate(self, number: int, has_left: Callable[[], bool]) -> bool:
        """Wait until piece `number` may be sent. Return False when the client left or the server closes."""
        until = time.monotonic() + (self.interval if number else 0.0)
        while not self._closing.is_set() and not has_left():
            gated = self.gate is not None and number >= self.before_gate and not self.gate.is_set()
            if not gated and time.monotonic() >= until:
                return True
            self._closing.wait(_LOOK_SECONDS)
        return False

    def wait_until(self, has_left: Callable[[], bool]) -> None:
        """Wait until the client has left or the server closes."""
        while not has_left() and not self._closing.wait(_LOOK_SECONDS):
            pass

    def count(self, size: int) -> None:
        """Note that so many bytes of a body went out."""
        with self._lock:
            self.sent += size

    def left(self) -> None:
        """Note that a client has left, unless it is the server that ends."""
        if not self._closing.is_set():
            self.disconnected.set()


def _turn(faults: Faults, number: int, request: Request) -> Turn:
    if callable(faults):
        return faults(request)
    if faults is None or isinstance(faults, Fault | bytes | str | Path):
        return faults
    return faults[number] if number < len(faults) else None
