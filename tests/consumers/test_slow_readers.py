"""Clients that never read, over real sockets: what they cost the server, what becomes of them, and of the others."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.records import answered
from tests.servers import Server, launch, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TEXT = "".join(f"{number:09} " for number in range(900_000))
"""More than the kernel holds for a socket."""
LIVE = TEXT[:8_000_000]
MEBIBYTE = 1024 * 1024
DEAD = 15
PIECE = 100_000


@pytest.fixture(params=["uvicorn", "gunicorn-asgi"])
def server(request, transactional_db):
    with launch(request.param) as server:
        yield server


async def join(server: Server, cookie: str) -> ClientConnection:
    url = f"ws{server.url.removeprefix('http')}/ws/impatient/"
    headers = {"Cookie": cookie}
    # A small window, and no more than a frame or two taken from it while nobody reads.
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", int(server.url.rpartition(":")[2])))
    options = {"max_queue": 1, "max_size": None, "compression": None}
    return await connect(url, sock=own, origin=server.url, additional_headers=headers, **options)


async def follow(client: ClientConnection, message, after: str | int = 0) -> None:
    await client.send(json.dumps({"type": "follow", "message": str(message.pk), "after": after}))


async def read_on(client: ClientConnection) -> tuple[str, str, str]:
    """Return the text that comes until the ending or the close, the last cursor, and the ending."""
    text, cursor, ending = "", "", ""
    async with asyncio.timeout(40):
        while not ending:
            frame = json.loads(await client.recv())
            text, cursor = text + frame.get("text", ""), frame["id"]
            ending = frame["type"] if frame["id"].endswith(".end") else ""
    return text, cursor, ending


def resident(server: Server) -> int:
    """Return the bytes of memory that the server's processes hold."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    sizes = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in [server.process.pid, *map(int, children)]]
    return sum(map(int, sizes)) * 4096


async def test_who_never_reads_is_closed_with_a_code_and_comes_back_with_the_cursor(server, owner, conversation):
    message = await sync_to_async(answered)(conversation, TEXT)
    cookie = await sync_to_async(session_cookie)(owner)
    slow = await join(server, cookie)
    await follow(slow, message)

    await asyncio.sleep(2.5)
    seen, cursor = "", "0"
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(40):
            while True:
                frame = json.loads(await slow.recv())
                seen, cursor = seen + frame.get("text", ""), frame["id"]
    back = await join(server, cookie)
    await follow(back, message, cursor)
    rest, _cursor, ending = await read_on(back)
    await back.close()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4408
    assert 0 < len(seen) < len(TEXT)
    assert (seen + rest == TEXT, ending) == (True, "complete")


async def test_dead_readers_of_a_live_answer_cost_bounded_memory_and_hurt_nobody(server, owner, conversation):
    cookie = await sync_to_async(session_cookie)(owner)
    stream = await conversation.astart_stream()
    good = await join(server, cookie)
    await follow(good, stream.message)
    reading = asyncio.create_task(read_on(good))
    async with AsyncExitStack() as stack:
        for _ in range(DEAD):
            dead = await join(server, cookie)
            stack.callback(dead.transport.abort)
            await follow(dead, stream.message)
        before = resident(server)

        for start in range(0, len(LIVE), PIECE):
            await stream.aappend(LIVE[start : start + PIECE])
        await stream.acomplete()
        text, _cursor, ending = await reading
        grown = resident(server) - before

    assert (text == LIVE, ending) == (True, "complete")
    # The answer is there once for all, with its frames, and for each dead reader a frame or two.
    assert grown < DEAD * len(LIVE) / 2
    await good.close()
