"""A process of the cluster: ended, killed, frozen, and started again as it was."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.servers import ROOT, wait_until_it_listens

ENDS_WITHIN = 30.0


class Process:
    """A Python module that runs, and at whose port somebody answers once `start` returns; what it prints is in a file.

    A process without a port is ready when it is.
    """

    def __init__(self, directory: Path, name: str, command: str, environment: Mapping[str, str], port: int = 0) -> None:
        self.name = name
        self._command = [sys.executable, "-m", *command.split()]
        self._environment = environment
        self._port = port
        self._log = directory / f"{name}.log"
        self._id = directory / f"{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log.open("a+") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
            self._id.write_text(str(self._process.pid))
            if self._port:
                wait_until_it_listens(self._process, self._port, log)

    def end(self) -> None:
        """Tell it to end, and wait until it has; one that takes too long is killed."""
        if self._process is not None:
            self._process.terminate()
            self.thaw()  # a frozen one does not hear of it
            try:
                self._process.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
