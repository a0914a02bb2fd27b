"""ConverseConsumer: one WebSocket through which one user asks, follows answers, watches conversations, and stops."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from converse_stream import database
from converse_stream.access import Claim, Loss, Rounds, get_rounds, signing_session
from converse_stream.consumers import codes, frames
from converse_stream.consumers.codes import Closing
from converse_stream.consumers.frames import Refusal
from converse_stream.consumers.origins import own_pages
from converse_stream.consumers.pace import Allowance, Turns
from converse_stream.consumers.serving import Serving
from converse_stream.exceptions import ConverseError, InternalError, TooManyViewers
from converse_stream.limits import ViewerSlot

GOODBYE = 30.0
"""Seconds that the reason of a close may wait for a client that does not read; then the connection is cut."""


class ConverseConsumer(AsyncWebsocketConsumer):
    """One socket. The limits may be changed where it is mounted: `ConverseConsumer.as_asgi(max_follows=8)`."""

    # Frames come from the feed, never from a channel layer, whose loss must not cost a socket.
    channel_layer_alias = None

    max_follows = 32
    """Messages followed, conversations watched, and other requests under way, at a time: so many of each."""
    access_interval = 5.0
    """Seconds after which somebody who has lost the right to look is noticed, at the latest."""
    slow_after = 10.0
    """Seconds that a client may leave a frame unread while no more fit into the server's buffers."""
    bytes_unanswered = 8_388_608
    """Bytes sent within a minute to a client that says nothing: not every server tells whether they are read."""
    frames_per_second = 20.0
    """Frames that a client may send all the time; a large one counts for several."""
    frames_at_once = 100.0
    """Frames that a client may send now and then, faster."""

    def __init__(self, **limits: float) -> None:
        super().__init__()
        for name, limit in limits.items():
            if not isinstance(getattr(type(self), name, None), int | float):
                raise TypeError(f"ConverseConsumer has no limit {name!r}")
            setattr(self, name, limit)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket. Whatever ends it, and however, all that it has under way ends here."""
        self._turns = Turns()
        self._serving: Serving | None = None
        self._slot: ViewerSlot | None = None
        self._rounds: Rounds | None = None
        self._session_key = ""
        self._allowance = Allowance(rate=self.frames_per_second, burst=self.frames_at_once)
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        listening = asyncio.ensure_future(own_pages(super().__call__)(scope, receive, send))
        try:
            await asyncio.wait({listening, self._closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._end()
        if self._closing.done():
            await _say_goodbye(send, self._closing.result())
        elif not listening.cancelled():
            listening.result()

    async def _end(self) -> None:
        if self._serving is not None:
            await self._serving.end()
        if self._rounds is not None:
            await self._rounds.leave(self)
        if self._slot is not None:
            self._slot.release()

    async def connect(self) -> None:
        """Accept the socket; one without a user is closed at once, with a code that a refusal could not carry."""
        if "user" not in self.scope:
            raise ImproperlyConfigured("ConverseConsumer needs channels.auth.AuthMiddlewareStack around its URLRouter")
        await self.accept()
        user, session = self.scope["user"], self.scope.get("session")
        if not user.is_authenticated:
            self.close_as(codes.NOT_SIGNED_IN)
            return
        try:
            self._slot = ViewerSlot(user.pk)
        except TooManyViewers as error:
            await self.refuse(Refusal(error.code, str(error.public), codes.TOO_MANY_SOCKETS), None)
            return
        if session is not None:
            self._session_key = await database.run(signing_session, user, session)
        self._serving = Serving(user, self, int(self.max_follows))
        self._rounds = get_rounds()
        self._rounds.join(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Serve one frame of the client."""
        if self._serving is None or self._closing.done():
            return
        self._turns.unanswered = 0
        frame: Any = None
        try:
            self._check_size(frames.size(text_data, bytes_data))
            frame = frames.parse(text_data)
            request = frames.to_request(frame)
            if request.kind == "ping":
                await self.send(frames.reply("pong", request.id))
            else:
                await self._serving.serve(request)
        except (Refusal, ConverseError) as error:
            await self.refuse(error, frame)

    def _check_size(self, size: int) -> None:
        if size > frames.largest_frame():
            raise Refusal("too_large", _("This frame is too large."), codes.TOO_LARGE)
        if not self._allowance.take(max(1.0, size / frames.SMALL)):
            raise Refusal("too_many_frames", _("Too many frames came at once."), codes.TOO_MANY)

    async def send(self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False) -> None:
        """Send one frame, when its turn has come; none once the socket is to be closed."""
        async with self._turns.turn(len(text_data or "")):
            if self._turns.unanswered > self.bytes_unanswered:
                self.close_as(codes.TOO_SLOW)
            if self._closing.done():
                await asyncio.get_running_loop().create_future()  # until whoever sends is ended
            await super().send(text_data, bytes_data, close)

    async def refuse(self, error: Exception, frame: Any) -> None:
        """Say why a frame of the client is not served."""
        refusal = Refusal.of(error) or Refusal(InternalError.code, str(InternalError.public))
        with suppress(OSError):
            await self.send(frames.error(refusal, frame))
        if refusal.closing is not None:
            self.close_as(refusal.closing)

    def close_as(self, closing: Closing) -> None:
        """Close the socket, unless it is being closed."""
        if not self._closing.done():
            self._closing.set_result(closing)

    # What the rounds ask for.

    def claim(self) -> Claim:
        """Return what this socket takes for granted."""
        user, followed = self.scope["user"], self._serving.conversations if self._serving else ()
        return Claim(user, self._session_key, dict.fromkeys(followed, user.pk))

    def lose(self, loss: Loss) -> None:
        """End what its user may not see any more."""
        if loss.is_signed_out:
            self.close_as(codes.SIGNED_OUT)
        elif self._serving is not None:
            self._serving.lose(loss.conversations)

    def check_pace(self, now: float) -> None:
        """Close a socket whose client does not read."""
        if self._turns.waits_for(now) > self.slow_after:
            self.close_as(codes.TOO_SLOW)


async def _say_goodbye(send: Any, closing: Closing) -> None:
    """Close with a code, as soon as the client has room for it."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})
