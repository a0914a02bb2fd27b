"""The example site as a process of its own, with a database of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "runserver": "manage.py runserver --noreload 127.0.0.1:{port}",
    "daphne": "-m daphne -b 127.0.0.1 -p {port} example_project.asgi:application",
    "uvicorn": "-m uvicorn --port {port} --timeout-graceful-shutdown 2 example_project.asgi:application",
}


@contextmanager
def example_site(directory: Path, *, server: str = "runserver", **environment: str) -> Iterator[str]:
    """Serve the example project and yield its address; user demo, password demo. `runserver` is daphne's.

    The others serve no static files: the URLs have to.
    """
    # Nobody's .env and nobody's services: what the demo is on a bare machine.
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | {
        "ENV_FILE": os.devnull,
        "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
        "PYTHONUNBUFFERED": "1",
    }
    env |= environment
    for command in (["migrate", "--verbosity", "0"], ["create_demo_user"], ["load_wiki"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=env, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = directory / "server.log"
    with log.open("wb") as output:
        process = _start(COMMANDS[server].format(port=port), env, output)
        try:
            _wait_until_it_answers(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=60)


def _start(line: str, env: dict[str, str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, *line.split()]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT)


def _wait_until_it_answers(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _attempt in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            try:
                server.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            break
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")
