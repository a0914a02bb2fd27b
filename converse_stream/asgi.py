"""converse_application: viewers cost no thread under ASGI, and answers are told that their server shuts down."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from converse_stream.handover import Application, Handover, Limits, Receive, Scope, Send, offered

LAST_WORDS = 1.0
"""Seconds that a server's shutdown waits for the last words to its viewers."""


def converse_application(
    application: Application, *, access_interval: float = 15.0, slow_after: float = 30.0
) -> Application:
    """Wrap a site's ASGI application: `application = converse_application(get_asgi_application())`.

    Django keeps a thread for as long as a response lasts. Here the view, its middleware and its permissions run as
    ever; then a response that follows a message or watches a conversation leaves its body to this wrapper, and
    Django's request ends. A body that a middleware has wrapped is streamed by Django itself.

    A viewer who has lost the right to look, by a logout for instance, is sent away within `access_interval` seconds.
    One that reads nothing for `slow_after` seconds, while no more fits into the server's buffers, is cut off.

    It answers the lifespan protocol, which Django does not: at the server's shutdown the viewers are told to come
    back, and answers under way go on for DRAIN_SECONDS at most. Everything else passes through.
    """

    limits = Limits(access_interval, slow_after)
    viewers: set[asyncio.Task[Any]] = set()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send, viewers)
        elif scope["type"] == "http":
            await _answer(application, scope, Handover(receive, send, limits), viewers)
        else:
            await application(scope, receive, send)

    return serve


async def _answer(application: Application, scope: Scope, handover: Handover, viewers: set[asyncio.Task[Any]]) -> None:
    token, task = offered.set(handover), cast("asyncio.Task[Any]", asyncio.current_task())
    try:
        try:
            await application(scope, handover.receive, handover.send)
        finally:
            offered.reset(token)
        if handover.rest is not None:
            viewers.add(task)
        await handover.finish()
    finally:
        viewers.discard(task)
        handover.close()


async def _live(receive: Receive, send: Send, viewers: set[asyncio.Task[Any]]) -> None:
    """Speak the lifespan protocol (asgi.readthedocs.io/en/latest/specs/lifespan.html, version 2.0)."""
    is_over = False
    while not is_over:
        event = await receive()
        is_over = event["type"] == "lifespan.shutdown"
        if is_over:
            # uvicorn ends without what is registered with atexit.
            await asyncio.to_thread(_finish)
            if viewers:
                # It has cancelled them a moment ago, and would not wait for their last words.
                await asyncio.wait(viewers, timeout=LAST_WORDS)
        else:
            _begin()
        await send({"type": f"{event['type']}.complete"})


def _begin() -> None:
    from converse_stream import shutdown  # noqa: PLC0415 - a site's asgi.py imports us before Django is set up

    shutdown.on_signals()


def _finish() -> None:
    from converse_stream import shutdown  # noqa: PLC0415 - as above

    shutdown.finish()
