"""A broker between processes that loses half of what it is told, says the rest twice, and in any order."""

import os
import random
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from converse_stream.brokers import Broker

DIRECTORY = "LOSSY_BROKER_DIRECTORY"
"""The environment variable that names where the processes of a test find each other."""


class LossyBroker(Broker):
    """Hints travel as datagrams; each process that listens has a socket in the directory."""

    def __init__(self) -> None:
        self._directory = Path(os.environ[DIRECTORY])
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._random = random.Random(7)
        self._late: list[bytes] = []
        self._lock = threading.Lock()
        self.lost = self.sent = 0

    def publish(self, message_ids: Iterable[str]) -> None:
        with self._lock:
            for message_id in message_ids:
                if self._random.random() < 0.5:
                    self.lost += 1
                    continue
                self._late += [message_id.encode()] * 2
            self._random.shuffle(self._late)
            while len(self._late) > 3:  # the others come later, behind what is said then
                self._send(self._late.pop())

    def _send(self, hint: bytes) -> None:
        self.sent += 1
        for path in self._directory.glob("*.sock"):
            try:
                self._socket.sendto(hint, str(path))
            except OSError:
                self.lost += 1  # gone, or its buffer is full

    def listen(self, callback: Callable[[Iterable[str]], None]) -> None:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.bind(str(self._directory / f"{os.getpid()}.sock"))
        threading.Thread(target=self._hear, args=(ear, callback), daemon=True, name="lossy-broker").start()

    def _hear(self, ear: socket.socket, callback: Callable[[Iterable[str]], None]) -> None:
        while True:
            callback([ear.recv(100).decode()])
