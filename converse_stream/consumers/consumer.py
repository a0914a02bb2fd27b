"""ConverseConsumer: one WebSocket through which one user asks, follows any number of answers, and stops them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from converse_stream import database
from converse_stream.consumers import codes, frames
from converse_stream.consumers.access import Claim, Loss, signing_session
from converse_stream.consumers.codes import Closing
from converse_stream.consumers.events import FrameEncoder
from converse_stream.consumers.frames import Refusal, Request
from converse_stream.consumers.jobs import Job, Jobs
from converse_stream.consumers.pace import Allowance, Turns
from converse_stream.consumers.requests import DOES, find_message
from converse_stream.consumers.rounds import get_rounds
from converse_stream.events import dumps
from converse_stream.exceptions import ConverseError, InternalError
from converse_stream.feed import AFTER_ENDING, abatches, parse

logger = logging.getLogger("converse_stream")

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
    frames_per_second = 20.0
    frames_at_once = 100.0

    def __init__(self, **limits: float) -> None:
        super().__init__()
        for name, limit in limits.items():
            if not hasattr(type(self), name):
                raise TypeError(f"ConverseConsumer has no limit {name!r}")
            setattr(self, name, limit)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket. Whatever ends it, and however, all that it has under way ends here."""
        self._jobs, self._turns = Jobs(), Turns()
        self._session_key = ""
        self._joining = asyncio.Lock()
        self._allowance = Allowance(rate=self.frames_per_second, burst=self.frames_at_once)
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(AllowedHostsOriginValidator(super().__call__)(scope, receive, send))
        try:
            await asyncio.wait({serving, self._closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await self._jobs.end()
            await get_rounds().leave(self)
        if self._closing.done():
            await _say_goodbye(send, self._closing.result())
        elif not serving.cancelled():
            serving.result()

    async def connect(self) -> None:
        """Accept the socket; one without a user is closed at once, with a code that a refusal could not carry."""
        if "user" not in self.scope:
            raise ImproperlyConfigured("ConverseConsumer needs channels.auth.AuthMiddlewareStack around its URLRouter")
        await self.accept()
        user, session = self.scope["user"], self.scope.get("session")
        if not user.is_authenticated:
            self._close_as(codes.NOT_SIGNED_IN)
            return
        if session is not None:
            self._session_key = await database.run(signing_session, user, session)
        get_rounds().join(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Serve one frame of the client."""
        if self._closing.done():
            return
        frame: Any = None
        try:
            self._check_size(frames.size(text_data, bytes_data))
            frame = frames.parse(text_data)
            await self._serve(frames.to_request(frame))
        except (Refusal, ConverseError) as error:
            await self._refuse(error, frame)

    def _check_size(self, size: int) -> None:
        if size > frames.largest_frame():
            raise Refusal("too_large", _("This frame is too large."), codes.TOO_LARGE)
        if not self._allowance.take(max(1.0, size / frames.SMALL)):
            raise Refusal("too_many_frames", _("Too many frames came at once."), codes.TOO_MANY)

    async def _serve(self, request: Request) -> None:
        kind = request.kind
        if kind == "ping":
            await self.send(frames.reply("pong", request.id))
        elif kind == "unfollow":
            self._jobs.unsubscribe("follow", request.about)
            await self._acknowledge(request)
        elif kind == "follow":
            dialect = request.text("dialect") or "native"
            self._subscribe(
                request, partial(self._follow, encoder=FrameEncoder(request.about, dialect, _position(request)))
            )
        else:
            if self._jobs.others >= self.max_follows:
                raise Refusal("too_many_requests", _("Too many requests are under way at once."))
            self._jobs.start(self._guarded(request, self._do(request)))

    def _subscribe(self, request: Request, serve: Callable[[Job], Awaitable[None]]) -> None:
        job = Job(request, request.about)
        if not self._jobs.has(job) and self._jobs.count(request.kind) >= self.max_follows:
            raise Refusal("too_many_follows", _("Too many messages are being followed at once."))
        self._jobs.subscribe(job, self._guarded(request, serve(job)))

    async def _guarded(self, request: Request, work: Awaitable[None]) -> None:
        """Do something in a task that nobody waits for: its failure is told to the client, who would wait for ever."""
        try:
            await work
        except OSError:
            # The server's way to say that the client is gone; a disconnect may follow, or not.
            logger.debug("a socket went away while it was written to")
        except Exception as error:
            if Refusal.of(error) is None:
                logger.exception("a %s over a WebSocket failed", request.kind)
            await self._refuse(error, request.frame)

    async def _do(self, request: Request) -> None:
        body = await database.run(DOES[request.kind], self.scope["user"], request)
        if request.kind != "cancel" or request.id is not None:
            await self.send(frames.reply("reply", request.id, request=request.asked, **body))

    async def _acknowledge(self, request: Request) -> None:
        if request.id is not None:
            await self.send(frames.reply("reply", request.id, request=request.asked))

    async def _follow(self, job: Job, *, encoder: FrameEncoder) -> None:
        message = await database.run(find_message, self.scope["user"], job.about)
        job.conversation_id = str(message.conversation_id)
        await self._acknowledge(job.request)
        if parse(encoder.after, job.about) == AFTER_ENDING and not message.is_live:
            await self.send(dumps({"type": "end", "message": job.about}))
            return
        async with aclosing(abatches(message, encoder.after)) as stream:
            # One catch-up at a time: many long answers at once would fill the memory for a client that does not read.
            async with self._joining:
                await self._tell(encoder.encode(await anext(stream)))
            async for events in stream:
                await self._tell(encoder.encode(events))

    async def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            await self.send(line)

    async def send(self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False) -> None:
        """Send one frame, when its turn has come."""
        async with self._turns.turn():
            await super().send(text_data, bytes_data, close)

    async def _refuse(self, error: Exception, frame: Any) -> None:
        refusal = Refusal.of(error) or Refusal(InternalError.code, str(InternalError.public))
        with suppress(OSError):
            await self.send(frames.error(refusal, frame))
        if refusal.closing is not None:
            self._close_as(refusal.closing)

    def _close_as(self, closing: Closing) -> None:
        if not self._closing.done():
            self._closing.set_result(closing)

    # What the rounds ask for.

    def claim(self) -> Claim:
        """Return what this socket takes for granted."""
        conversations = frozenset(job.conversation_id for job in self._jobs if job.conversation_id)
        return Claim(self.scope["user"], self._session_key, conversations)

    def lose(self, loss: Loss) -> None:
        """End what its user may not see any more; close the socket if nothing is left of it."""
        if loss.is_signed_out:
            self._close_as(codes.SIGNED_OUT)
            return
        lost = [job.request for job in self._jobs if job.conversation_id in loss.conversations]
        for request in lost:
            self._jobs.unsubscribe(request.kind, request.about)
        self._jobs.start(self._tell_loss(lost))

    async def _tell_loss(self, lost: Iterable[Request]) -> None:
        for request in lost:
            await self._refuse(frames.not_found(request.subject), request.frame)
        if self._jobs.is_idle:
            self._close_as(codes.GONE)

    def check_pace(self, now: float) -> None:
        """Close a socket whose client does not read."""
        if self._turns.waits_for(now) > self.slow_after:
            self._close_as(codes.TOO_SLOW)


async def _say_goodbye(send: Any, closing: Closing) -> None:
    """Close with a code, as soon as the client has room for it."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})


def _position(request: Request) -> int:
    """Return where to follow from. Raise MalformedCursor."""
    after = request.fields.get("after") or 0
    # As text: a number in JSON may be true, negative or of a thousand digits.
    return parse(after if isinstance(after, str) else json.dumps(after), request.about)
