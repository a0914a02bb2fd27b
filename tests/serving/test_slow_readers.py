"""Clients of event streams that never read, over real sockets: what they cost the server, and the others."""

import asyncio
import socket

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from converse_stream.models import Conversation
from converse_stream.testing import Follower
from tests.consumers.test_slow_readers import MEBIBYTE, resident
from tests.servers import launch, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DEAD = 50
GROWN = 40 * MEBIBYTE
"""Of which the answer itself, its frames and the good viewer's take a half."""
LIVE = "".join(f"{number:09} " for number in range(400_000))
PIECE = 50_000


async def join(port: int, path: str, cookie: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=own, limit=16_384)
    writer.write(f"GET {path} HTTP/1.0\r\nHost: x\r\nCookie: {cookie}\r\n\r\n".encode())
    await reader.readuntil(b"event: start")
    return reader, writer


async def read_on(reader: asyncio.StreamReader) -> Follower:
    """Read from behind the first event's name to the end."""
    follower = Follower()
    await reader.readuntil(b"\n\n")
    async with asyncio.timeout(60):
        while not follower.ending and (data := await reader.read(65_536)):
            follower.feed(data)
    return follower


@pytest.mark.timeout(180)
async def test_dead_readers_of_a_live_answer_cost_bounded_memory_and_hurt_nobody(user: User) -> None:
    cookie = await sync_to_async(session_cookie)(user)
    stream = await (await Conversation.objects.acreate(owner=user)).astart_stream()
    path, server = f"/converse/messages/{stream.message.pk}/stream/", launch("uvicorn")
    served = await sync_to_async(server.__enter__)()
    port = int(served.url.rpartition(":")[2])
    writers = []
    try:
        reader, writer = await join(port, path, cookie)
        writers.append(writer)
        reading = asyncio.create_task(read_on(reader))
        for _ in range(DEAD // 2):
            writers.append((await join(port, path, cookie))[1])
        before = resident(served)

        half = len(LIVE) // 2
        for start in range(0, half, PIECE):
            await stream.aappend(LIVE[start : min(start + PIECE, half)])
        for _ in range(DEAD // 2):  # who joins late has the more to read
            writers.append((await join(port, path, cookie))[1])
        for start in range(half, len(LIVE), PIECE):
            await stream.aappend(LIVE[start : start + PIECE])
        await stream.acomplete()
        follower = await reading
        grown = resident(served) - before
    finally:
        for writer in writers:
            writer.transport.abort()
        await sync_to_async(server.__exit__)(None, None, None)

    assert (follower.text == LIVE, follower.ending) == (True, "complete")
    assert grown < GROWN
