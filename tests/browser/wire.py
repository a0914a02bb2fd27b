"""A wire between the browser and the server that can be cut."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


class Wire:
    """Forwards connections to a port until they are cut; new ones may be made at any time."""

    def __init__(self, listener: socket.socket, port: int) -> None:
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._port = port
        self._open: set[socket.socket] = set()

    def cut(self) -> None:
        """Break every connection there is."""
        for end in list(self._open):
            _shut(end)

    def accept(self) -> None:
        carriers = []
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                carriers.append(Thread(target=self._carry, args=(near,)))
                carriers[-1].start()
        self.cut()
        for carrier in carriers:
            carrier.join()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._port)) as far:
            self._open |= {near, far}
            back = Thread(target=_forward, args=(far, near))
            back.start()
            _forward(near, far)
            back.join()
            self._open -= {near, far}


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    _shut(target)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Yield a wire to a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Wire(listener, port)
        accepting = Thread(target=made.accept)
        accepting.start()
        yield made
        _shut(listener)
        accepting.join(timeout=60)
