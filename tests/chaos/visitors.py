"""Those who ask, look and stop, through nginx, and come back whatever happens. They record, and judge nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

from converse_stream.events import ENDINGS
from converse_stream.providers.codecs.sse import SSEDecoder
from tests.chaos.record import Connection, Viewing
from tests.cluster.cluster import Cluster
from tests.servers import websocket_url

SILENT_FOR = 7.0
"""Seconds without a byte after which a viewer takes a connection for dead: three heartbeats and a bit."""
COMES_BACK_AFTER = 0.3
BREAKS = (httpx.HTTPError, WebSocketException, OSError, TimeoutError)
CLOSED_FOR_GOOD = range(4400, 4500)


class Visitor:
    """Somebody who is signed in."""

    def __init__(self, url: str, token: str, cookie: str) -> None:
        self.url = url
        self._cookie = {"Cookie": cookie}
        timeout = httpx.Timeout(SILENT_FOR, pool=None)
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Token {token}"},
            timeout=timeout,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    @classmethod
    @asynccontextmanager
    async def signed_in(cls, cluster: Cluster) -> AsyncIterator[Self]:
        """Sign in as the demo's user, with a token and with a session."""
        token = cluster.manage("drf_create_token demo").split()[2]
        async with httpx.AsyncClient(base_url=cluster.url, timeout=30) as client:
            form = await client.get("/accounts/login/")
            fields = {"csrfmiddlewaretoken": form.cookies["csrftoken"], "username": "demo", "password": "demo"}
            await client.post("/accounts/login/", data=fields)
            visitor = cls(cluster.url, token, f"sessionid={client.cookies['sessionid']}")
        async with visitor._client:
            yield visitor

    async def ask(self, content: str) -> str:
        """Return the answer's id; the key makes it safe to ask until somebody says that it is accepted."""
        conversation = await self._insist("/api/conversations/", {})
        accepted = await self._insist(f"/api/conversations/{conversation['id']}/messages/", {"content": content})
        return str(accepted["message"]["id"])

    async def stop(self, message_id: str) -> None:
        await self._insist(f"/api/messages/{message_id}/cancel/", {})

    async def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": json.dumps(body)}
        while True:
            with suppress(httpx.HTTPError):
                response = await self._client.post(path, json=body, headers=headers)
                if response.status_code < 500:
                    response.raise_for_status()
                    told: dict[str, Any] = response.json()
                    return told
            await asyncio.sleep(COMES_BACK_AFTER)

    async def view(self, message_id: str, viewing: Viewing, patience: float) -> None:
        """Follow an answer to its ending. A viewer without patience leaves so often, and comes back."""
        follow = {"sse": self._read, "websocket": self._listen}[viewing.kind]
        position = 0
        while not viewing.ended_at:
            connection = Connection(after=position)
            viewing.connections.append(connection)
            with suppress(*BREAKS):
                async with asyncio.timeout(patience):
                    await follow(message_id, connection, viewing)
            for event in connection.events:
                position = event["start"] + len(event.get("text", ""))
                if event["type"] in ENDINGS:
                    viewing.ended_at = asyncio.get_running_loop().time()
            patience *= 1.5
            if not viewing.ended_at:
                await asyncio.sleep(COMES_BACK_AFTER)

    async def _read(self, message_id: str, connection: Connection, viewing: Viewing) -> None:
        after = f"{message_id}.{connection.after}" if connection.after else "0"
        path = f"/api/messages/{message_id}/stream/"
        async with self._client.stream("GET", path, params={"after": after}) as response:
            if response.status_code >= 500:
                return
            if response.status_code != 200:
                viewing.refusals.append(f"answered {response.status_code}")
                return
            decoder = SSEDecoder(max_event_bytes=2**26)
            async for data in response.aiter_raw():
                for event in decoder.feed(data):
                    connection.events.append({**json.loads(event.data), "type": event.event, "id": event.id})

    async def _listen(self, message_id: str, connection: Connection, viewing: Viewing) -> None:
        after = f"{message_id}.{connection.after}" if connection.after else 0
        async with connect(
            websocket_url(self.url),
            origin=Origin(self.url),
            additional_headers=self._cookie,
            open_timeout=SILENT_FOR,
            ping_interval=2,
        ) as socket:
            await socket.send(json.dumps({"type": "follow", "message": message_id, "after": after}))
            async for frame in socket:
                event = json.loads(frame)
                if event["type"] == "error" and event["code"] == "store_unavailable":
                    return
                if event["type"] == "error":
                    viewing.refusals.append(f"refused: {event}")
                if "start" in event:
                    connection.events.append(event)
                if event["type"] in ENDINGS:
                    return
            if socket.close_code in CLOSED_FOR_GOOD:
                viewing.refusals.append(f"closed with {socket.close_code}")
