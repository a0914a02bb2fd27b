"""Real servers: `with serve("uvicorn") as url` runs the tests' site in a process of its own, on the tests' database.

Needs a test with `transaction=True`: another process sees committed rows only. Settings for that process go in as
`settings={"POLL_INTERVAL": 0.1}` (they become CONVERSE_STREAM), anything else as environment variables.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.test import Client

ROOT = Path(__file__).resolve().parents[1]
STARTS_WITHIN = 60.0
ENDS_WITHIN = 30.0

COMMANDS = {
    "daphne": "daphne -b 127.0.0.1 -p {port} tests.asgi:application",
    "uvicorn": "uvicorn --host 127.0.0.1 --port {port} --timeout-graceful-shutdown 2 tests.asgi:application",
    "runserver": "django runserver --noreload 127.0.0.1:{port}",
    "runserver-reload": "django runserver 127.0.0.1:{port}",
    "gunicorn": "gunicorn --bind 127.0.0.1:{port} --worker-class gthread --threads 8"
    " django.core.wsgi:get_wsgi_application()",
    "gunicorn-asgi": "gunicorn --bind 127.0.0.1:{port} --worker-class asgi tests.asgi:application",
}


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def serve(kind: str, *, settings: Mapping[str, Any] | None = None, **environment: str) -> Iterator[str]:
    """Start a server of this kind, yield its address once it answers, and end it."""
    with launch(kind, settings=settings, **environment) as server:
        yield server.url


@contextmanager
def launch(
    kind: str, *, port: int = 0, settings: Mapping[str, Any] | None = None, **environment: str
) -> Iterator[Server]:
    """Start as `serve` does, for a test that does something to the process, at a port of its choice."""
    port = port or free_port()
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "CONVERSE_STREAM": json.dumps({"DRAIN_SECONDS": 1} | dict(settings or {})),
        "PYTHONUNBUFFERED": "1",
        "GUNICORN_CMD_ARGS": "--graceful-timeout 2",
        **environment,
    }
    command = [sys.executable, "-m", *COMMANDS[kind].format(port=port).split()]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(process, port, log)
            yield Server(f"http://127.0.0.1:{port}", process)
        finally:
            _end(process)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def database_url() -> str:
    """Return the address of the database that this test run uses."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(name)}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def session_cookie(user: AbstractBaseUser) -> str:
    """Return a Cookie header that signs `user` in, made through the database alone."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def websocket_url(url: str) -> str:
    """Return where the consumer of a served site is."""
    return f"ws{url.removeprefix('http')}/ws/converse/"


def wait_until_it_listens(server: "subprocess.Popen[bytes]", port: int, log: IO[str]) -> None:
    """Wait until something answers at the port; raise RuntimeError with the log if the process ends before."""
    pause = 0.05
    for _attempt in range(round(STARTS_WITHIN / pause)):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            try:
                server.wait(pause)
            except subprocess.TimeoutExpired:
                continue
            break
    log.seek(0)
    raise RuntimeError(f"the server did not start:\n{log.read()}")


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
