"""One answer, written in this process and read through a server: over SSE, WebSocket and REST it is the same text."""

import asyncio
import json
import random

import httpx
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect

from converse_stream import brokers
from converse_stream.models import Message
from converse_stream.testing import Follower
from tests.servers import serve, session_cookie, websocket_url
from tests.watching.lossy import DIRECTORY, LossyBroker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BROKER = "tests.watching.lossy.LossyBroker"
WORDS = [f"w{number} " for number in range(150)] + ["é\U0001f600\u2028", "data: [DONE]\n\n", "end"]
TEXT = "".join(WORDS)


@pytest.fixture(params=["daphne", "uvicorn"])
def site(request, transactional_db, tmp_path, monkeypatch, settings):
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    settings.CONVERSE_STREAM = {"BROKER": BROKER}
    with serve(request.param, settings={"BROKER": BROKER, "POLL_INTERVAL": 0.2}, **{DIRECTORY: str(tmp_path)}) as url:
        yield url
    brokers.stop()


class Reader:
    """Reads one answer, leaving and coming back now and then. Keeps the text; a gap or a repeat raises."""

    def __init__(self, site: str, cookie: str, message: Message, seed: int) -> None:
        self.site = site
        self.headers = {"Cookie": cookie}
        self.message = message
        self.text = ""
        self._patience = random.Random(seed)

    def stays(self) -> int:
        """Return how many pieces to read until it leaves."""
        return self._patience.randint(1, 40)


class OverSSE(Reader):
    async def read(self) -> str:
        follower = Follower()
        url = f"{self.site}/api/messages/{self.message.pk}/stream/"
        async with httpx.AsyncClient(headers=self.headers, timeout=60) as client:
            while not follower.ending:
                follower.reconnect()
                seen = len(follower.events) + self.stays()
                async with client.stream("GET", url, params={"after": follower.cursor or "0"}) as response:
                    response.raise_for_status()
                    await follower.aread(response.aiter_raw(), until=seen)
        return follower.text


class OverWebSocket(Reader):
    KIND, ABOUT, CURSOR = "follow", "message", 0

    def apply(self, frame: dict) -> bool:
        if "text" in frame:
            assert frame["start"] == len(self.text)
            self.text += frame["text"]
        return frame["type"] == "complete"

    def about(self) -> str:
        return str(self.message.pk)

    async def read(self) -> str:
        cursor, is_over = 0, False
        while not is_over:
            async with connect(websocket_url(self.site), origin=self.site, additional_headers=self.headers) as socket:
                await socket.send(json.dumps({"type": self.KIND, self.ABOUT: self.about(), "after": cursor}))
                for _ in range(self.stays()):
                    async with asyncio.timeout(60):
                        frame = json.loads(await socket.recv())
                    cursor, is_over = frame["id"], self.apply(frame)
                    if is_over:
                        break
        return self.text


class OverWatching(OverWebSocket):
    KIND, ABOUT = "watch", "conversation"

    def about(self) -> str:
        return str(self.message.conversation_id)


class ByPolling(Reader):
    async def read(self) -> str:
        url = f"{self.site}/api/messages/{self.message.pk}/"
        async with httpx.AsyncClient(headers=self.headers, timeout=60) as client:
            while True:
                message = (await client.get(url)).raise_for_status().json()
                assert message["content"].startswith(self.text)
                self.text = message["content"]
                if message["status"] == "complete":
                    return self.text
                await asyncio.sleep(0.05)


async def test_a_broker_that_cannot_be_relied_on_costs_no_transport_a_character(site, owner, conversation):
    """Seeds: P-05."""
    cookie = await sync_to_async(session_cookie)(owner)
    stream = await conversation.astart_stream()
    kinds = [OverSSE, OverWebSocket, OverWatching, ByPolling]
    readers = [kind(site, cookie, stream.message, seed) for seed in range(2) for kind in kinds]
    reading = [asyncio.create_task(reader.read()) for reader in readers]

    for word in WORDS:
        await stream.aappend(word)
        await asyncio.sleep(0.01)
    message = await stream.acomplete()
    texts = await asyncio.gather(*reading)

    broker = brokers.configured()
    assert isinstance(broker, LossyBroker)
    assert broker.sent > 20
    assert broker.lost > 20
    assert message.content == TEXT
    assert texts == [TEXT] * len(readers)
