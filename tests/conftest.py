"""What a test needs beside Python: a test whose service is missing is skipped, or fails where services are required."""

import inspect
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import hypothesis
import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections as databases

from converse_stream import brokers, database, feed, recorder
from converse_stream.models import Conversation
from converse_stream.providers import client
from converse_stream.runners import loop

# What a test takes says nothing where others run beside it.
hypothesis.settings.register_profile("converse_stream", deadline=None)
hypothesis.settings.load_profile("converse_stream")

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def _lacks_postgres() -> str:
    engine = settings.DATABASES["default"]["ENGINE"]
    return "" if engine.endswith("postgresql") else "runs on PostgreSQL only: set DATABASE_URL"


def _lacks_redis() -> str:
    if not which("redis-server"):
        return "redis-server is not installed"
    url = urlsplit(REDIS_URL)
    try:
        socket.create_connection((url.hostname, url.port or 6379), timeout=2).close()
    except OSError as error:
        return f"no Redis at {url.hostname}:{url.port or 6379} ({error})"
    return ""


def _lacks_browser() -> str:
    if not find_spec("playwright"):
        return "playwright is not installed: make dev"
    return "" if which("chromium") else "Chromium is not installed"


def _lacks_clients() -> str:
    for installed in ("ai6/node_modules/ai", "ai7/node_modules/ai", "browser/node_modules/vue"):
        if not (Path(__file__).parent / "clients" / installed).is_dir():
            return "the clients are not installed: make test-clients"
    return "" if which("node") and find_spec("openai") else "node and openai are needed: make test-clients"


LACKS: dict[str, Callable[[], str]] = {
    "postgres": _lacks_postgres,
    "redis": _lacks_redis,
    "browser": _lacks_browser,
    "clients": _lacks_clients,
}


_ONE_AT_A_TIME = ("slow", "browser", "clients", "schema")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what starts processes or watches the clock to one worker, where there are several.

    Every async test closes the connections to providers that it leaves on its event loop.
    """
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.append("connections")
        if any(item.get_closest_marker(mark) for mark in _ONE_AT_A_TIME) or "cost" in item.path.parent.parts:
            item.add_marker(pytest.mark.xdist_group("one at a time"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, lacks in LACKS.items():
        if item.get_closest_marker(mark) and (reason := lacks()):
            if os.environ.get("CONVERSE_REQUIRE_SERVICES"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)


def _let_writers_go() -> None:
    """Wait for those who wrote answers, two seconds at most: one that a test holds up forever holds up nobody else."""
    until = time.monotonic() + 2
    for thread in threading.enumerate():
        if thread.name.startswith(("converse-source", "converse-queue", "converse-tool")):
            thread.join(max(0.0, until - time.monotonic()))
    while loop.is_busy() and time.monotonic() < until:
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def _no_threads_left(_django_db_marker: None) -> Iterator[None]:
    """End what runs in the background before the test's database is emptied or dropped."""
    yield
    recorder.stop()
    _let_writers_go()
    recorder.stop()  # one of them may have begun it again
    feed.stop()
    brokers.stop()
    database.close_pools()
    SyncToAsync.single_thread_executor.submit(databases.close_all).result()


@pytest.fixture
async def connections() -> AsyncIterator[None]:
    """Close what a test left open on its event loop."""
    yield
    await client.close()


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", password="ada")


@pytest.fixture
def conversation(user: User) -> Conversation:
    return Conversation.objects.create(owner=user)
