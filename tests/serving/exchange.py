"""One request to an ASGI application, as a server without a network would make it."""

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit


class Exchange:
    """A request, and what has been answered by now. Says that the client has left as often as `farewells`."""

    def __init__(self, application: Any, url: str, *, cookie: str = "", farewells: int = 1) -> None:
        self.status = 0
        self.body = b""
        self.is_over = False
        self.is_read = True
        """Whether the client reads; what is sent meanwhile waits."""
        self._incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._farewells = farewells
        self._news = asyncio.Condition()
        self._incoming.put_nowait({"type": "http.request"})
        parts = urlsplit(url)
        headers = [(b"host", b"testserver"), *([(b"cookie", cookie.encode())] if cookie else [])]
        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": parts.path, "headers": headers}
        scope |= {"query_string": parts.query.encode(), "scheme": "http", "asgi": {"version": "3.0"}}
        self.task = asyncio.create_task(application(scope, self._incoming.get, self._send))

    def leave(self) -> None:
        """Close the connection."""
        for _ in range(self._farewells):
            self._incoming.put_nowait({"type": "http.disconnect"})

    async def wait_for(self, data: bytes) -> None:
        """Wait until this has been answered."""
        await self._wait(lambda: data in self.body)

    async def wait_for_end(self) -> bytes:
        """Wait until the response is complete. Return its body."""
        await self._wait(lambda: self.is_over)
        await asyncio.wait_for(self.task, 60)
        return self.body

    async def _wait(self, holds: Any) -> None:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(holds), 10)

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self.is_read)
            assert not self.is_over, "nothing may follow the end of a response"
            self.status = message.get("status", self.status)
            self.body += message.get("body", b"")
            self.is_over = message["type"] == "http.response.body" and not message.get("more_body", False)
            self._news.notify_all()
