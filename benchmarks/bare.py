"""The least a server can do: an ASGI application that passes a provider's bytes on, with httpx, and keeps nothing."""

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx

from benchmarks.answer import QUESTION

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

HEADERS = [(b"content-type", b"text/event-stream")]
client: httpx.AsyncClient | None = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    async with asked(scope["path"][1:]) as reply:
        await send({"type": "http.response.start", "status": reply.status_code, "headers": HEADERS})
        async for piece in reply.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def asked(model: str) -> AbstractAsyncContextManager[httpx.Response]:
    """Ask the provider."""
    global client
    if client is None:
        client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None))
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    return client.stream("POST", f"{os.environ['UPSTREAM']}/chat/completions", json=body)
