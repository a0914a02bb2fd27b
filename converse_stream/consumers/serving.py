"""Serving: what one user has asked for over one socket, each request in a task of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _

from converse_stream import database
from converse_stream.consumers import codes, frames
from converse_stream.consumers.codes import Closing
from converse_stream.consumers.events import FrameEncoder, watched
from converse_stream.consumers.frames import Refusal, Request
from converse_stream.consumers.jobs import Job, Jobs
from converse_stream.consumers.requests import DOES, User, find_conversation, find_message
from converse_stream.events import dumps
from converse_stream.feed import AFTER_ENDING, ConversationCursor, abatches, awatch, parse

logger = logging.getLogger("converse_stream")


class Line(Protocol):
    """The client's end of the socket."""

    async def send(self, text_data: str) -> None:
        """Send a frame."""

    async def refuse(self, error: Exception, frame: Any) -> None:
        """Say why a frame of the client is not served."""

    def close_as(self, closing: Closing) -> None:
        """Close the socket."""


class Serving:
    """All that one socket has under way, so many of each kind at most."""

    def __init__(self, user: User, line: Line, limit: int) -> None:
        self._user = user
        self._line = line
        self._limit = limit
        self._jobs = Jobs()
        self._joining = asyncio.Lock()

    @property
    def conversations(self) -> frozenset[str]:
        """The conversations that have to stay this user's."""
        return frozenset(job.conversation_id for job in self._jobs if job.conversation_id)

    async def end(self) -> None:
        """End everything."""
        await self._jobs.end()

    def lose(self, conversations: Collection[str]) -> None:
        """End what concerns these conversations, and the socket if nothing is left."""
        lost = [job.request for job in self._jobs if job.conversation_id in conversations]
        for request in lost:
            self._jobs.unsubscribe(request.kind, request.about)
        self._jobs.start(self._tell_loss(lost))

    async def serve(self, request: Request) -> None:
        """Begin what is asked for, or end it. Raise Refusal, MalformedCursor or UnknownDialect."""
        kind = request.kind
        if kind in ("unfollow", "unwatch"):
            self._jobs.unsubscribe(kind.removeprefix("un"), request.about)
            await self._acknowledge(request)
        elif kind == "watch":
            after = request.fields.get("after") or 0
            ConversationCursor.parse(after, request.about)
            self._subscribe(request, partial(self._watch, after=after))
        elif kind == "follow":
            encoder = FrameEncoder(request.about, request.text("dialect") or "native", _position(request))
            self._subscribe(request, partial(self._follow, encoder=encoder))
        elif self._jobs.others < self._limit:
            self._jobs.start(self._guarded(request, self._do(request)))
        else:
            raise Refusal("too_many_requests", _("Too many requests are under way at once."))

    def _subscribe(self, request: Request, serve: Callable[[Job], Awaitable[None]]) -> None:
        job = Job(request, request.about)
        if not self._jobs.has(job) and self._jobs.count(request.kind) >= self._limit:
            raise Refusal("too_many_follows", _("Too many messages are being followed at once."))
        self._jobs.subscribe(job, self._guarded(request, self._subscribed(job, serve(job))))

    async def _subscribed(self, job: Job, work: Awaitable[None]) -> None:
        try:
            await work
        except ObjectDoesNotExist:
            self._jobs.forget(job)
            if not job.conversation_id:
                raise
            await self._tell_loss([job.request])  # it was there when this began

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
            await self._line.refuse(error, request.frame)

    async def _do(self, request: Request) -> None:
        # What has been asked is done, though the socket may close meanwhile.
        body = await asyncio.shield(database.run(DOES[request.kind], self._user, request))
        if request.kind != "cancel" or request.id is not None:
            await self._line.send(frames.reply("reply", request.id, request=request.asked, **body))

    async def _acknowledge(self, request: Request) -> None:
        if request.id is not None:
            await self._line.send(frames.reply("reply", request.id, request=request.asked))

    async def _follow(self, job: Job, *, encoder: FrameEncoder) -> None:
        message = await database.run(find_message, self._user, job.about)
        job.conversation_id = str(message.conversation_id)
        await self._acknowledge(job.request)
        if parse(encoder.after, job.about) == AFTER_ENDING and not message.is_live:
            await self._line.send(dumps({"type": "end", "message": job.about}))
            return
        async with aclosing(abatches(message, encoder.after)) as stream:
            # One catch-up at a time: many long answers at once would fill the memory for a client that does not read.
            async with self._joining:
                await self._tell(encoder.encode(await anext(stream)))
            async for events in stream:
                await self._tell(encoder.encode(events))

    async def _watch(self, job: Job, *, after: int | str) -> None:
        conversation = await database.run(find_conversation, self._user, job.about)
        job.conversation_id = job.about
        await self._acknowledge(job.request)
        async with aclosing(awatch(conversation, after)) as stream:
            async for updates in stream:
                await self._tell(watched(job.about, updates))

    async def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            await self._line.send(line)

    async def _tell_loss(self, lost: Iterable[Request]) -> None:
        for request in lost:
            await self._line.refuse(frames.not_found(request.subject), request.frame)
        if self._jobs.is_idle:
            self._line.close_as(codes.GONE)


def _position(request: Request) -> int:
    """Return where to follow from. Raise MalformedCursor."""
    after = request.fields.get("after") or 0
    # As text: a number in JSON may be true, negative or of a thousand digits.
    return parse(after if isinstance(after, str) else json.dumps(after), request.about)
