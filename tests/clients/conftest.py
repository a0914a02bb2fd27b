"""The example site and the tests' own, each behind a server of each kind, with a database of its own; and a browser."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.page import chromium
from tests.servers import ROOT, wait_until_it_listens

SERVERS = {
    "uvicorn": "uvicorn --host 127.0.0.1 --port {port} --timeout-graceful-shutdown 2 {application}",
    "daphne": "daphne -b 127.0.0.1 -p {port} {application}",
}
SETTINGS = {
    "SSE_RETRY": 20,
    "POLL_INTERVAL": 0.05,
    "DEFAULT_MODEL": "parrot",
    "PROVIDERS": {"parrot": {"class": "tests.clients.parrot.Parrot"}},
}
TYPES = {".html": "text/html", ".js": "text/javascript"}
SIGN_UP = """
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.authtoken.models import Token
user, client = User.objects.create_user("demo"), Client()
client.force_login(user)
print(Token.objects.create(user=user).key, client.cookies["sessionid"].value)
"""


@dataclass(frozen=True)
class Site:
    """A site that is served: its address, and its user's token and, of the tests' own, session."""

    url: str
    token: str
    session: str = ""

    @property
    def api(self) -> httpx.Client:
        """A client of the REST API, as its user."""
        return httpx.Client(base_url=f"{self.url}/api/", headers={"Authorization": f"Token {self.token}"})


def run(env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout


def surroundings(directory: Path, **more: str) -> dict[str, str]:
    """Return the environment of a site of its own: nobody's .env and nobody's services."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    database = f"sqlite:///{directory / 'db.sqlite3'}"
    return kept | {"ENV_FILE": os.devnull, "DATABASE_URL": database, "PYTHONUNBUFFERED": "1"} | more


@contextmanager
def served(kind: str, application: str, env: dict[str, str], directory: Path) -> Iterator[str]:
    """Serve an ASGI application and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *SERVERS[kind].format(port=port, application=application).split()]
    with (directory / "server.log").open("w+") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(60)


@contextmanager
def own_site(kind: str, directory: Path, **environment: str) -> Iterator[Site]:
    """Serve the tests' own site, on which a parrot answers."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", "CONVERSE_STREAM": json.dumps(SETTINGS)}
    env = surroundings(directory, **settings | environment)
    run(env, "manage.py", "migrate", "--verbosity", "0")
    token, session = run(env, "-c", SIGN_UP).split()
    with served(kind, "tests.asgi:application", env, directory) as url:
        yield Site(url, token, session)


@pytest.fixture(scope="session", params=SERVERS)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the example site with everything as it comes."""
    directory: Path = tmp_path_factory.mktemp(request.param)
    env = surroundings(directory)
    run(env, "manage.py", "migrate", "--verbosity", "0")
    run(env, "manage.py", "create_demo_user")
    token = run(env, "manage.py", "drf_create_token", "demo").split()[2]
    with served(request.param, "example_project.asgi:application", env, directory) as url:
        yield Site(url, token)


@pytest.fixture(scope="session", params=SERVERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the tests' own site."""
    with own_site(request.param, tmp_path_factory.mktemp(f"own-{request.param}")) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def tab(browser: Any, site: Site) -> Iterator[Any]:
    """A tab of somebody who has signed in; an exception in a page's script fails the test."""
    with signed_in(browser, site) as page:
        yield page


@contextmanager
def signed_in(browser: Any, site: Site) -> Iterator[Any]:
    context = browser.new_context()
    context.set_default_timeout(30_000)
    # Cookies know no ports: they are sent through a proxy as well.
    cookies = {"sessionid": site.session, "csrftoken": "c" * 32}
    context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in cookies.items()])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert errors == []


def show(page: Any, origin: str, **files: str | Path) -> None:
    """Open `index.html` of these files, which lie beside what the site at this address has itself."""

    def send(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        content = files[name]
        body = content if isinstance(content, str) else content.read_text(encoding="utf-8")
        route.fulfill(body=body, content_type=f"{TYPES[Path(name).suffix]}; charset=utf-8")

    page.route(f"{origin}/pages/*", send)
    page.goto(f"{origin}/pages/index.html")
