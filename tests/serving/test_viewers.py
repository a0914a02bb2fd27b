"""Two hundred viewers of one process hold neither a thread nor a database connection, whatever serves them."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection

from converse_stream.models import Conversation
from converse_stream.writer import PrismStream
from tests.servers import launch, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

VIEWERS = 200
AT_ONCE = 10
MORE_THREADS = 8
CONNECTIONS = 12
PATHS = [
    "/converse/messages/{message}/stream/",
    "/api/messages/{message}/stream/",
    "/api/conversations/{conversation}/events/",
    "/streaming/signed-in/{message}/",
]


class Crowd:
    """Viewers of a server, each on a connection of its own."""

    def __init__(self, port: int, cookie: str) -> None:
        self.readers: list[asyncio.StreamReader] = []
        self._port = port
        self._cookie = cookie
        self._writers: list[asyncio.StreamWriter] = []
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def join(self, path: str) -> None:
        async with self._limit:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writers.append(writer)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {self._cookie}\r\n\r\n".encode())
            await asyncio.wait_for(reader.readuntil(b"Hello"), 40)
            self.readers.append(reader)

    async def hear(self, text: str) -> None:
        await asyncio.wait_for(asyncio.gather(*(reader.readuntil(text.encode()) for reader in self.readers)), 40)

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


def threads_of(pid: int) -> int:
    """Return the threads of a process and its children."""
    children = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return sum(len(os.listdir(f"/proc/{each}/task")) for each in [pid, *children.stdout.split()])


def connections_open() -> int:
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
@pytest.mark.parametrize("kind", ["uvicorn", "daphne", "gunicorn-asgi"])
async def test_viewers_hold_neither_a_thread_nor_a_connection(kind: str, user: User) -> None:
    cookie = await sync_to_async(session_cookie)(user)
    stream: PrismStream = await (await Conversation.objects.acreate(owner=user)).astart_stream()
    await stream.aappend("Hello ")
    paths = [path.format(message=stream.message.pk, conversation=stream.message.conversation_id) for path in PATHS]
    server = launch(kind)
    served = await sync_to_async(server.__enter__)()
    crowd = Crowd(int(served.url.rpartition(":")[2]), cookie)
    try:
        await asyncio.gather(*(crowd.join(path) for path in paths))
        before = threads_of(served.process.pid)

        await asyncio.gather(*(crowd.join(paths[number % len(paths)]) for number in range(VIEWERS)))

        assert threads_of(served.process.pid) <= before + MORE_THREADS
        assert await sync_to_async(connections_open)() <= CONNECTIONS
        await stream.aappend("everybody")
        await crowd.hear("everybody")
        await stream.acomplete()
        await crowd.hear("event: complete")
    finally:
        crowd.leave()
        await sync_to_async(server.__exit__)(None, None, None)
