"""A PostgreSQL server of a test's own, that it may restart as it likes."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def lacks_binaries() -> str:
    """Return why no server can be started here, if so."""
    if not INSTALLED:
        return "no PostgreSQL server is installed"
    if os.geteuid() == 0 and not shutil.which("runuser"):
        return "PostgreSQL does not run as root, and there is no runuser"
    return ""


class Postgres:
    """A server that runs."""

    def __init__(self, directory: str, port: int, settings: str) -> None:
        self.directory = directory
        self.port = port
        self.settings = settings
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on the server's directory, as a user that it accepts."""
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(INSTALLED[-1] / program), "-D", self.directory, *arguments]
        done = subprocess.run(
            command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 {self.settings}"
        self.run("pg_ctl", "start", "-w", "-l", f"{self.directory}/log", "-o", options)

    def stop(self, mode: str) -> None:
        """Stop the server: `fast` ends its connections, `immediate` is as good as a crash."""
        self.run("pg_ctl", "stop", "-m", mode, "-w")

    def restart(self, mode: str) -> None:
        """Restart the server, after stopping it in this mode."""
        self.run("pg_ctl", "restart", "-m", mode, "-w")

    def freeze(self) -> None:
        """Let it accept and never answer."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        """Signal the server, which then starts no process more, and then those that serve its connections."""
        server = (Path(self.directory) / "postmaster.pid").read_text().split()[0]
        os.kill(int(server), number)
        for backend in Path(f"/proc/{server}/task/{server}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(backend), number)


@contextmanager
def own_postgres(settings: str = "-c fsync=off") -> Iterator[Postgres]:
    """Start a server on a free port and in a directory that goes with it.

    One that crashes while its host goes on needs no fsync.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="converse-postgres-") as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        server = Postgres(directory, port, settings)
        server.run("initdb", "--username=postgres", "--auth=trust", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
