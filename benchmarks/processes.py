"""Processes to measure: started on a free port, and how much of a CPU each has used."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).absolute().parents[1]
SERVER, *_REST = sorted(os.sched_getaffinity(0))
ELSEWHERE = set(_REST) or {SERVER}
"""A server has one core to itself, as it has with one worker for each; whoever it talks to is on the others."""


class Process:
    """A process that listens on a port of its own."""

    def __init__(self, *command: str, cores: set[int], environment: Mapping[str, str] | None = None) -> None:
        self.port = _free_port()
        command = tuple(word.format(port=self.port) for word in command)
        self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | dict(environment or {}))
        os.sched_setaffinity(self._process.pid, cores)

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far, in user mode and in the kernel, by all threads."""
        return cpu_of(self._process.pid)

    @property
    def memory(self) -> float:
        """Resident megabytes."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def open_files(self, path: str) -> int:
        """How often this file is open."""
        folder = Path(f"/proc/{self._process.pid}/fd")
        return sum(os.readlink(each) == path for each in folder.iterdir() if each.is_symlink())

    def wait_until_it_listens(self) -> None:
        for _attempt in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError(f"a process has ended with {self._process.returncode}") from None
                time.sleep(0.1)
        raise RuntimeError("a process does not listen")

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(
    module: str, *arguments: str, cores: set[int], environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Start a Python process on these cores, yield it once it listens, and end it. `{port}` is its port."""
    with listening(sys.executable, "-m", module, *arguments, cores=cores, environment=environment) as process:
        yield process


@contextmanager
def listening(*command: str, cores: set[int], environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """Start any process, as `running` does."""
    process = Process(*command, cores=cores, environment=environment)
    try:
        process.wait_until_it_listens()
        yield process
    finally:
        process.end()


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used, in user mode and in the kernel, by all threads."""
    # What clock_getcpuclockid(3) returns. /proc/<pid>/stat says the same in steps of 10 ms.
    return time.clock_gettime(~pid << 3 | 2)


def cpu_of_family(parent: int) -> float:
    """Return what a process has used together with its children, those included that have ended."""
    total, ticks = cpu_of(parent), os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # After the name, which may hold spaces: state, parent, ...; the waited-for children's are 13 and 14.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                total += cpu_of(int(folder.name))
            elif int(folder.name) == parent:
                total += (int(fields[13]) + int(fields[14])) / ticks
        except OSError:  # it has ended meanwhile
            continue
    return total


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
