"""The least a server can do: an ASGI application that passes a provider's bytes on, with httpx, and keeps nothing."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from benchmarks.answer import QUESTION

HEADERS = [(b"content-type", b"text/event-stream")]
client: httpx.AsyncClient | None = None


async def application(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    global client
    if scope["type"] != "http":
        return
    if client is None:
        client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None))
    body = {"model": "replayed", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    async with client.stream("POST", f"{os.environ['UPSTREAM']}/chat/completions", json=body) as reply:
        await send({"type": "http.response.start", "status": reply.status_code, "headers": HEADERS})
        async for piece in reply.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
