"""Two web processes behind nginx are restarted one after the other: no viewer misses a character, or is sent away.

`make rolling VIEWERS=200` does it with as many viewers as asked for.
"""

import asyncio
import logging
import os
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from converse_stream.models import Conversation, Message
from converse_stream.testing import Follower
from converse_stream.writer import PrismStream
from tests.proxies import nginx
from tests.servers import Server, free_port, launch, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

VIEWERS = int(os.environ.get("VIEWERS", 12))
SITE = {"SSE_RETRY": 400, "POLL_INTERVAL": 0.1, "SSE_HEARTBEAT": 5}
LEAVES_WITHIN = 15.0
logger = logging.getLogger("rolling")


class Viewer:
    """Follows one answer as an EventSource does: comes back after `retry`, gives up at any status but 200."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self.follower = Follower()
        self.came_at: list[float] = []
        self.heard = asyncio.Event()
        self._client = client
        self._url = url

    async def view(self) -> None:
        pause = 0.0
        while not self.follower.ending:
            await asyncio.sleep(pause)
            pause = await self._connect()

    async def _connect(self) -> float:
        """Read one response to its end. Return the seconds after which to come back."""
        self.follower.reconnect()
        self.came_at.append(time.monotonic())
        headers, pause = {"Last-Event-ID": self.follower.cursor} if self.follower.cursor else {}, 3.0
        try:
            async with self._client.stream("GET", self._url, headers=headers) as response:
                assert response.status_code == 200
                async for data in response.aiter_raw():
                    if told := re.match(rb"retry: (\d+)\n", data):
                        pause = int(told[1]) / 1000
                    self.follower.feed(data)
                    self.heard.set()
        except (httpx.RemoteProtocolError, httpx.NetworkError):
            pass  # a cut is as good as an end
        return pause


async def write(stream: PrismStream, until: asyncio.Event) -> None:
    number = 0
    while not until.is_set():
        await stream.aappend(f"w{number} ")
        number += 1
        await asyncio.sleep(0.02)
    await stream.acomplete()


class Processes:
    """Two servers, which can be restarted where they are."""

    def __init__(self, kind: str, stack: ExitStack) -> None:
        self._kind = kind
        self._stack = stack
        self._ports = [free_port(), free_port()]
        self.servers = [self._launch(port) for port in self._ports]

    def _launch(self, port: int) -> Server:
        return self._stack.enter_context(launch(self._kind, port=port, settings=SITE))

    def restart(self, number: int) -> None:
        server = self.servers[number]
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(LEAVES_WITHIN)
        logger.info("process %d has ended after %.1f s", number, time.monotonic() - began)
        self.servers[number] = self._launch(self._ports[number])


@pytest.mark.timeout(300)
async def test_a_rolling_restart_loses_nothing(user: User, tmp_path: Path) -> None:
    cookie = await sync_to_async(session_cookie)(user)
    stream = await (await Conversation.objects.acreate(owner=user)).astart_stream()
    done, path = asyncio.Event(), f"/converse/messages/{stream.message.pk}/stream/"
    with ExitStack() as stack:
        processes = await sync_to_async(Processes)("uvicorn", stack)
        urls = [server.url for server in processes.servers]
        url = await sync_to_async(stack.enter_context)(nginx(tmp_path, *urls))
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=60, headers={"Cookie": cookie}) as client:
            viewers = [Viewer(client, url + path) for _ in range(VIEWERS)]
            viewing = [asyncio.create_task(viewer.view()) for viewer in viewers]
            await asyncio.gather(*(asyncio.wait_for(viewer.heard.wait(), 60) for viewer in viewers))
            writing = asyncio.create_task(write(stream, done))
            for number in range(2):
                await sync_to_async(processes.restart, thread_sensitive=False)(number)
            done.set()
            await writing
            await asyncio.wait_for(asyncio.gather(*viewing), 60)
        await sync_to_async(stack.close)()

    message = await Message.objects.aget(pk=stream.message.pk)
    assert {viewer.follower.text for viewer in viewers} == {message.content}
    assert {viewer.follower.ending for viewer in viewers} == {"complete"}
    came_back = sorted(time for viewer in viewers for time in viewer.came_at[1:])
    assert len(came_back) >= VIEWERS  # each was sent away at least once
    logger.info("%d characters, %d viewers, %d returns", len(message.content), VIEWERS, len(came_back))
    logger.info("most of them within 100 ms: %d", busiest(came_back))


def busiest(times: list[float]) -> int:
    """Return how many of these there are within a tenth of a second at most."""
    return max(sum(1 for other in times if time <= other < time + 0.1) for time in times)
