"""Sockets and streams of real servers: what one process writes, pages served by another see; and paths nobody has."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from converse_stream.models import Conversation, Message
from converse_stream.providers.codecs.sse import SSEDecoder
from tests.consumers.test_access import log_out, signed_in
from tests.servers import serve, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(params=["daphne", "uvicorn"])
def site(request, transactional_db):
    with serve(request.param, settings={"POLL_INTERVAL": 0.05}, ALLOWED_HOSTS="127.0.0.1") as url:
        yield url


@asynccontextmanager
async def socket(site, cookie, path="/ws/converse/"):
    url = f"ws{site.removeprefix('http')}{path}"
    async with connect(url, origin=site, additional_headers={"Cookie": cookie}, open_timeout=60) as client:
        yield client


async def hear(client):
    async with asyncio.timeout(60):
        return json.loads(await client.recv())


async def hear_until(client, kind):
    frames = [await hear(client)]
    while frames[-1]["type"] != kind:
        frames.append(await hear(client))
    return frames


async def closing(client):
    with pytest.raises(ConnectionClosed) as closed:
        await hear(client)
    return closed.value.rcvd.code


async def test_every_tab_sees_what_one_of_them_asks(site, owner, conversation):
    """Seeds: C-11."""
    cookie, pk = await sync_to_async(session_cookie)(owner), str(conversation.pk)
    async with socket(site, cookie) as asking, socket(site, cookie) as watching, httpx.AsyncClient(timeout=60) as http:
        for tab in (asking, watching):
            await tab.send(json.dumps({"type": "watch", "conversation": pk}))
            assert (await hear(tab))["type"] == "conversation"
        url = f"{site}/converse/conversations/{pk}/events/"
        async with http.stream("GET", url, headers={"Cookie": cookie}) as response:
            await asking.send(json.dumps({"type": "ask", "conversation": pk, "content": "Hello", "id": 1}))
            heard = [await hear_until(tab, "complete") for tab in (asking, watching)]
            decoder, streamed = SSEDecoder(), []
            async for data in response.aiter_raw():
                streamed += [{"id": event.id, **json.loads(event.data)} for event in decoder.feed(data)]
                if streamed and streamed[-1]["type"] == "complete":
                    break

    texts = ["".join(frame.get("text", "") for frame in frames) for frames in (*heard, streamed)]
    answer = await Message.objects.aget(role="assistant")
    assert texts == [answer.content] * 3
    assert heard[0][-1] == heard[1][-1] == streamed[-1]


async def test_what_another_process_writes_is_seen_and_a_cut_costs_nothing(site, owner, conversation):
    cookie, pk = await sync_to_async(session_cookie)(owner), str(conversation.pk)
    cursor, kinds, text = None, [], ""
    stream = None

    for step in ("question", "start", "one ", "title", "two", "end"):
        if step == "question":
            await conversation.aadd_user_message("Count!")
        elif step == "start":
            stream = await conversation.astart_stream()
        elif step == "title":
            await Conversation.objects.filter(pk=conversation.pk).aupdate(title="Numbers")
        elif step == "end":
            await stream.acomplete()
        else:
            await stream.aappend(step)
        async with socket(site, cookie) as client:
            await client.send(json.dumps({"type": "watch", "conversation": pk, "after": cursor}))
            frame = await hear(client)
            while step == "question" and frame["type"] == "conversation":
                kinds.append(frame["type"])
                frame = await hear(client)
        kinds.append(frame["type"])
        cursor, text = frame["id"], text + frame.get("text", "")

    assert kinds == ["conversation", "message", "start", "text", "conversation", "text", "complete"]
    assert text == "one two"


async def test_a_page_that_is_signed_out_loses_its_socket(site, owner, conversation):
    session = await signed_in(owner)
    async with socket(site, f"sessionid={session.session_key}", "/ws/impatient/") as client:
        await client.send('{"type": "ping"}')
        assert await hear(client) == {"type": "pong"}

        await log_out(owner, session)

        assert await closing(client) == 4401


async def test_a_conversation_that_is_given_away_is_lost(site, owner, stranger, conversation):
    cookie = await sync_to_async(session_cookie)(owner)
    stream = await conversation.astart_stream()
    async with socket(site, cookie, "/ws/impatient/") as client:
        await client.send(json.dumps({"type": "follow", "message": str(stream.message.pk)}))
        assert (await hear(client))["type"] == "start"

        await Conversation.objects.filter(pk=conversation.pk).aupdate(owner=stranger)

        assert (await hear(client))["code"] == "not_found"
        assert await closing(client) == 4404
    await stream.acomplete()


async def test_a_path_that_does_not_exist_is_closed_with_a_code(site, owner):
    cookie = await sync_to_async(session_cookie)(owner)
    for path in ("/", "/ws/", "/ws/converse", "/ws/converse/x", "/ws/converse/%00", "/api/usage/"):
        async with socket(site, cookie, path) as client:
            assert await closing(client) == 4404


async def test_a_flood_and_nonsense_are_answered(site, owner):
    async with socket(site, await sync_to_async(session_cookie)(owner)) as client:
        for frame, code in [(b"\x00\xff", "bad_json"), ("{", "bad_json"), ("[]", "bad_request"), ("{}", "bad_request")]:
            await client.send(frame)
            assert (await hear(client))["code"] == code
        for _ in range(200):
            await client.send('{"type": "ping"}')
        frames = [await hear(client)]
        while frames[-1]["type"] == "pong":
            frames.append(await hear(client))
        assert frames[-1]["code"] == "too_many_frames"
        assert await closing(client) == 4429
