"""converse_application: tells the answers under way that their ASGI server shuts down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Any, Any], Awaitable[None]]


def converse_application(application: Application) -> Application:
    """Wrap a site's ASGI application: `application = converse_application(get_asgi_application())`.

    It answers the lifespan protocol, which Django does not: at the server's shutdown the answers under way end as
    failed with the code `shutdown`, and keep their text. Everything else passes through.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await application(scope, receive, send)

    return serve


async def _live(receive: Receive, send: Send) -> None:
    """Speak the lifespan protocol (asgi.readthedocs.io/en/latest/specs/lifespan.html, version 2.0)."""
    is_over = False
    while not is_over:
        event = await receive()
        is_over = event["type"] == "lifespan.shutdown"
        if is_over:
            # uvicorn ends without what is registered with atexit.
            await asyncio.to_thread(_stop)
        await send({"type": f"{event['type']}.complete"})


def _stop() -> None:
    from converse_stream import recorder  # noqa: PLC0415 - a site's asgi.py imports us before Django is set up

    recorder.stop()
