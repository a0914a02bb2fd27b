"""The consumer in a server of its own process, with a real client; the answer is written in this one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from converse_stream.models import Message
from tests.records import answered
from tests.servers import serve, session_cookie, websocket_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TEXT = "Hello, wörld \U0001f600 data: [DONE]\n\nevent: x \u2028 end"


@pytest.fixture(params=["daphne", "uvicorn"])
def site(request, transactional_db):
    with serve(request.param, settings={"POLL_INTERVAL": 0.05}, ALLOWED_HOSTS="127.0.0.1") as url:
        yield url


@asynccontextmanager
async def socket(site: str, user=None, origin: str | None = "") -> AsyncIterator[ClientConnection]:
    headers = {"Cookie": await sync_to_async(session_cookie)(user)} if user else {}
    own = site if origin == "" else origin
    async with connect(websocket_url(site), origin=own, additional_headers=headers, open_timeout=60) as client:
        yield client


async def hear(client: ClientConnection) -> dict:
    async with asyncio.timeout(60):
        return json.loads(await client.recv())


async def say(client: ClientConnection, kind: str, message: Message, **fields) -> None:
    await client.send(json.dumps({"type": kind, "message": str(message.pk), **fields}))


async def test_an_answer_arrives_character_for_character_over_any_cut(site, owner, conversation):
    stream = await conversation.astart_stream()
    seen, cursor, kinds = "", 0, []
    for number in range(0, len(TEXT), 5):
        await stream.aappend(TEXT[number : number + 5])
        async with socket(site, owner) as client:
            await say(client, "follow", stream.message, after=cursor)
            frame = await hear(client)
            while frame["type"] != "text":
                kinds.append(frame["type"])
                frame = await hear(client)
            seen, cursor = seen + frame["text"], frame["id"]
    await stream.acomplete()
    async with socket(site, owner) as client:
        await say(client, "follow", stream.message, after=cursor)
        ending = await hear(client)

    assert seen == TEXT
    assert kinds == ["start"]
    assert (ending["type"], ending["message"]["content"]) == ("complete", TEXT)


async def test_a_stop_over_the_socket_ends_an_answer_of_another_process(site, owner, conversation):
    stream = await conversation.astart_stream()
    await stream.aappend("So far")
    async with socket(site, owner) as client:
        await say(client, "follow", stream.message)
        while (await hear(client))["type"] != "text":
            pass

        await say(client, "cancel", stream.message)
        ending = await hear(client)

    assert (ending["type"], ending["message"]["content"]) == ("cancelled", "So far")
    assert (await Message.objects.aget(pk=stream.message.pk)).status == "cancelled"


async def test_another_users_answer_is_refused(site, stranger, conversation):
    message = await sync_to_async(answered)(conversation)
    async with socket(site, stranger) as client:
        await say(client, "follow", message)

        assert (await hear(client))["code"] == "not_found"


async def test_bad_frames_keep_the_socket_and_a_huge_one_ends_it(site, owner):
    async with socket(site, owner) as client:
        for frame in ("{", "[]", b"\xff\x00", "null"):
            await client.send(frame)
            assert (await hear(client))["type"] == "error"
        await client.send('{"type": "ping"}')
        assert await hear(client) == {"type": "pong"}
        await client.send("x" * 700_000)
        assert (await hear(client))["code"] == "too_large"
        with pytest.raises(ConnectionClosed) as closed:
            await hear(client)

    assert closed.value.rcvd.code == 4413


async def test_nobody_gets_in_without_signing_in(site):
    async with socket(site) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await hear(client)

    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("origin", ["https://evil.com", "null", None])
async def test_a_foreign_page_may_not_connect(site, owner, origin):
    with pytest.raises(InvalidStatus) as refused:
        async with socket(site, owner, origin):
            pass

    assert refused.value.response.status_code == 403


async def test_a_client_that_vanishes_leaves_the_answer_and_the_others_alone(site, owner, conversation):
    stream = await conversation.astart_stream()
    async with socket(site, owner) as vanishing, socket(site, owner) as staying:
        for client in (vanishing, staying):
            await say(client, "follow", stream.message)
            assert (await hear(client))["type"] == "start"

        vanishing.transport.abort()
        await stream.aappend(TEXT)
        await stream.acomplete()
        frames = [await hear(staying)]
        while frames[-1]["type"] != "complete":
            frames.append(await hear(staying))

    assert "".join(frame.get("text", "") for frame in frames) == TEXT
