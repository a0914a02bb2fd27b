"""The example site behind a server of each kind, and the tests' own site where a test writes the answers itself."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import ROOT, wait_until_it_listens

COMMANDS = {
    "uvicorn": "uvicorn --host 127.0.0.1 --port {port} --timeout-graceful-shutdown 2 example_project.asgi:application",
    "daphne": "daphne -b 127.0.0.1 -p {port} example_project.asgi:application",
}


@dataclass(frozen=True)
class Site:
    """The example site: its address, and the token of its user."""

    url: str
    token: str


def run(env: dict[str, str], *command: str) -> str:
    arguments = [sys.executable, "manage.py", *command]
    return subprocess.run(arguments, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session", params=COMMANDS)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the example site on a database of its own, with everything else as it comes."""
    directory: Path = tmp_path_factory.mktemp(request.param)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    database = f"sqlite:///{directory / 'db.sqlite3'}"
    env = kept | {"ENV_FILE": os.devnull, "DATABASE_URL": database, "PYTHONUNBUFFERED": "1"}
    run(env, "migrate", "--verbosity", "0")
    run(env, "create_demo_user")
    token = run(env, "drf_create_token", "demo").split()[2]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *COMMANDS[request.param].format(port=port).split()]
    with (directory / "server.log").open("w+") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(server, port, log)
            yield Site(f"http://127.0.0.1:{port}", token)
        finally:
            server.terminate()
            server.wait(20)
