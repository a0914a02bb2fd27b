"""Handover: what converse_application and a response say to each other. It knows no Django, which is not set up yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What converse_application allows its viewers."""

    access_interval: float
    """Seconds after which somebody who has lost the right to look is noticed, at the latest."""
    slow_after: float
    """Seconds that a client may leave what it is sent unread while no more fits into the server's buffers."""


class Rest(Protocol):
    """The body of a response, without the request that it belongs to."""

    async def stream(self, gone: asyncio.Future[Any], send: Send) -> None:
        """Send the body, to its end or until the client is gone."""

    def close(self) -> None:
        """Give back what the viewer holds. May be called twice."""


class Handover:
    """One request's offer to its response: the response may leave its body behind and let Django's request end."""

    def __init__(self, receive: Receive, send: Send, limits: Limits) -> None:
        self.limits = limits
        self.is_open = False
        """Whether the head of the response is on its way, and nothing of a body yet."""
        self.rest: Rest | None = None
        self._is_read = False
        self._gone: asyncio.Future[Any] | None = None
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """Receive for Django: the request's body, then that the client is gone."""
        if self._is_read:
            # Django gives up waiting when its response has ended. The server must not know: gunicorn takes that for
            # the client's leaving, others say only once that it has left.
            return cast(Message, await asyncio.shield(self._until_gone()))
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send for Django, but for the end of a body that was left behind."""
        if self.rest is None:
            self.is_open = message["type"] == "http.response.start"
            await self._send(message)

    async def finish(self) -> None:
        """Send the body that was left behind, if one was, unless the client has left meanwhile."""
        if self.rest is not None and not self._until_gone().done():
            await self.rest.stream(self._until_gone(), self._send)

    def close(self) -> None:
        """Give back what the viewer holds."""
        if self._gone is not None:
            self._gone.cancel()
        if self.rest is not None:
            self.rest.close()

    def _until_gone(self) -> asyncio.Future[Any]:
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._receive())
        return self._gone


offered: ContextVar[Handover | None] = ContextVar("converse_stream_handover", default=None)
"""The offer that the request under way has."""
