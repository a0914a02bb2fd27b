"""A hundred viewers of live answers hold no connection while they wait: PostgreSQL says so itself."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection

from converse_stream.models import Conversation, Message
from converse_stream.writer import PrismStream
from tests.servers import serve, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ANSWERS = 10
VIEWERS = 100
CONNECTIONS = 8


@pytest.fixture
def streams(user: User) -> Iterator[list[PrismStream]]:
    """Live answers that end when the test does."""
    live = [Conversation.objects.create(owner=user).start_stream() for _ in range(ANSWERS)]
    yield live
    stop(live)


def stop(streams: list[PrismStream]) -> None:
    for stream in streams:
        Message.objects.get(pk=stream.message.pk).cancel()


def connections_open() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def settled() -> int:
    """Return how many connections are open once PostgreSQL has noticed who has hung up."""
    pause = threading.Event()
    for _ in range(100):
        if connections_open() <= CONNECTIONS:
            break
        pause.wait(0.05)
    return connections_open()


async def say(streams: list[PrismStream], text: str) -> None:
    for stream in streams:
        await stream.aappend(text)


async def test_viewers_in_an_event_loop_hold_no_connection(streams: list[PrismStream]) -> None:
    heard = asyncio.Semaphore(0)

    async def view(message: Message) -> None:
        async for event in message.afollow(timeout=60):
            if event.text:
                heard.release()

    tasks = [asyncio.create_task(view(streams[number % ANSWERS].message)) for number in range(VIEWERS)]
    for text in ("joined ", "and waiting"):
        await say(streams, text)
        for _ in range(VIEWERS):
            await asyncio.wait_for(heard.acquire(), 30)
        assert await sync_to_async(settled)() <= CONNECTIONS

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Reader(threading.Thread):
    """A sync viewer."""

    def __init__(self, message: Message, heard: threading.Semaphore) -> None:
        super().__init__()
        self.message = message
        self.heard = heard
        self.start()

    def run(self) -> None:
        for event in self.message.follow(timeout=60):
            if event.text:
                self.heard.release()
        connection.close()


def test_viewers_in_threads_of_their_own_hold_no_connection(streams: list[PrismStream]) -> None:
    heard = threading.Semaphore(0)
    readers = [Reader(streams[number % ANSWERS].message, heard) for number in range(VIEWERS)]

    for text in ("joined ", "and waiting"):
        for stream in streams:
            stream.append(text)
        for _ in readers:
            assert heard.acquire(timeout=60)
        assert settled() <= CONNECTIONS

    stop(streams)
    for reader in readers:
        reader.join(30)


async def test_viewers_of_a_server_hold_no_connection(streams: list[PrismStream], user: User) -> None:
    """Seeds: A-18."""
    cookie = await sync_to_async(session_cookie)(user)

    async def join(port: int, message: Message) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET /converse/messages/{message.pk}/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
        writer.write(request.encode())
        # Until its stream begins a request holds a connection, of which PostgreSQL has a hundred.
        await asyncio.wait_for(reader.readuntil(b"event: start"), 30)
        return reader, writer

    server = serve("uvicorn")
    url = await sync_to_async(server.__enter__)()
    try:
        port = int(url.rpartition(":")[2])
        viewers = [await join(port, streams[number % ANSWERS].message) for number in range(VIEWERS)]
        for text in ("joined ", "and waiting"):
            await say(streams, text)
            for reader, _ in viewers:
                await asyncio.wait_for(reader.readuntil(text.encode()), 30)
            assert await sync_to_async(settled)() <= CONNECTIONS
        for _, writer in viewers:
            writer.close()
    finally:
        await sync_to_async(server.__exit__)(None, None, None)
