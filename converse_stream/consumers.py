"""ConverseConsumer: one WebSocket that follows any number of its user's messages, over the same feed as SSE.

The client sends JSON frames:

    {"type": "follow", "message": id, "after": position or cursor}    `after` may be left out
    {"type": "unfollow", "message": id}
    {"type": "cancel", "message": id}
    {"type": "ping"}

The server sends the objects of the native dialect, each with its `type` and, in `id`, the cursor to come back
with (a tool call's own id is in `call_id` then); a message's frames are in order and its ending is the last of
them. Beside them:

    {"type": "end", "message": id}    nothing was left to follow: the cursor was at the end of a finished message
    {"type": "pong"}
    {"type": "error", "code", "message", "request"}    the socket stays open; `request` is what was asked

with the codes bad_json, bad_request, not_found (for another user's message too), bad_cursor, too_many_follows,
too_large and internal. The socket is closed with 4401 when nobody is signed in and with 4413 after a frame that is
too large; a foreign Origin, or none, is refused before the socket opens, by the rule of Channels'
AllowedHostsOriginValidator. A second follow of a message replaces the first. A stop is answered by the
message's ending.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from converse_stream import database
from converse_stream.cleaning import clean_text
from converse_stream.dialects.native import payload
from converse_stream.events import Event, dumps
from converse_stream.exceptions import InternalError, MalformedCursor
from converse_stream.feed import AFTER_ENDING, afollow, parse
from converse_stream.models import Message, Role

logger = logging.getLogger("converse_stream")

MAX_FOLLOWS = 32
MAX_FRAME_BYTES = 16_384
NOT_SIGNED_IN = 4401
TOO_LARGE = 4413
"""Not 1009: daphne cannot send a code below 3000."""

User = AbstractBaseUser | AnonymousUser


class Refusal(Exception):
    """A client's frame that cannot be served: a code, and a sentence for the public."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class ConverseConsumer(AsyncWebsocketConsumer):
    """Follow, unfollow and stop messages over one socket."""

    # Frames come from the feed, never from a channel layer, whose loss must not cost a socket.
    channel_layer_alias = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket. Whatever ends it, and however, its follows end here."""
        self._jobs: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            await AllowedHostsOriginValidator(super().__call__)(scope, receive, send)
        finally:
            await self._stop_all()

    async def connect(self) -> None:
        """Accept the socket; one without a user is closed at once, with a code that a refusal could not carry."""
        if "user" not in self.scope:
            raise ImproperlyConfigured("ConverseConsumer needs channels.auth.AuthMiddlewareStack around its URLRouter")
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(NOT_SIGNED_IN, "not signed in")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Serve one frame of the client."""
        if not self.scope["user"].is_authenticated:
            return
        if _is_too_large(text_data, bytes_data):
            await self._stop_all()
            await self._refuse(Refusal("too_large", _("This frame is too large.")), {})
            await self.close(TOO_LARGE, "frame too large")
            return
        frame: Mapping[str, Any] = {}
        try:
            frame = _parse(text_data)
            await self._serve(frame)
        except Refusal as refusal:
            await self._refuse(refusal, frame)

    async def _serve(self, frame: Mapping[str, Any]) -> None:
        kind = frame.get("type")
        if kind == "ping":
            await self.send('{"type":"pong"}')
        elif kind == "unfollow":
            self._stop("follow", _message_id(frame))
        elif kind == "cancel":
            self._start(frame, self._cancel)
        elif kind == "follow":
            position = _position(frame)
            self._stop("follow", _message_id(frame))
            self._start(frame, partial(self._follow, position=position))
        else:
            raise Refusal("bad_request", _("A frame needs a known type."))

    def _start(self, frame: Mapping[str, Any], serve: Callable[[str], Awaitable[None]]) -> None:
        """Serve the frame in a task of its own: the next frame, and the disconnect, wait for nothing."""
        key = (frame["type"], _message_id(frame))
        if key in self._jobs:
            return
        if sum(kind == key[0] for kind, _id in self._jobs) >= MAX_FOLLOWS:
            raise Refusal("too_many_follows", _("Too many messages are being followed at once."))
        task = asyncio.create_task(self._run(frame, partial(serve, key[1])))
        self._jobs[key] = task
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, key))

    def _stop(self, kind: str, message_id: str) -> None:
        task = self._jobs.pop((kind, message_id), None)
        if task is not None:
            task.cancel()

    async def _stop_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._jobs.get(key) is task:
            del self._jobs[key]

    async def _run(self, frame: Mapping[str, Any], serve: Callable[[], Awaitable[None]]) -> None:
        try:
            await serve()
        except Refusal as refusal:
            await self._refuse(refusal, frame)
        except Message.DoesNotExist:
            await self._refuse(_not_found(), frame)
        except OSError:
            # The server's way to say that the client is gone; a disconnect may follow, or not.
            logger.debug("a socket went away while it was written to")
        except Exception:
            # Here a crash would end in a task that nobody waits for, and a client that waits for ever.
            logger.exception("a %s over a WebSocket failed", frame["type"])
            await self._refuse(Refusal(InternalError.code, str(InternalError.public)), frame)

    async def _follow(self, message_id: str, *, position: int) -> None:
        message = await database.run(_find, self.scope["user"], message_id)
        if position == AFTER_ENDING and not message.is_live:
            await self.send(dumps({"type": "end", "message": message_id}))
            return
        async with aclosing(afollow(message, after=position)) as events:
            async for event in events:
                await self.send(_encoded(event))

    async def _cancel(self, message_id: str) -> None:
        await database.run(_find_and_cancel, self.scope["user"], message_id)

    async def _refuse(self, refusal: Refusal, frame: Mapping[str, Any]) -> None:
        asked = {key: clean_text(frame[key])[:64] for key in ("type", "message") if isinstance(frame.get(key), str)}
        body = {"type": "error", "code": refusal.code, "message": refusal.message, "request": asked}
        with suppress(OSError):
            await self.send(dumps(body))


def _is_too_large(text: str | None, data: bytes | None) -> bool:
    if text is None:
        return len(data or b"") > MAX_FRAME_BYTES
    return len(text) > MAX_FRAME_BYTES or len(text.encode("utf-8", "replace")) > MAX_FRAME_BYTES


def _parse(text: str | None) -> Mapping[str, Any]:
    try:
        frame = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise Refusal("bad_json", _("A frame must be a JSON object in text.")) from error
    if not isinstance(frame, dict):
        raise Refusal("bad_request", _("A frame must be a JSON object in text."))
    return frame


def _message_id(frame: Mapping[str, Any]) -> str:
    """Return the id in its one spelling. What is no id names no message."""
    given = frame.get("message")
    if not isinstance(given, str):
        raise Refusal("bad_request", _("A frame needs the id of a message."))
    try:
        return str(UUID(given))
    except ValueError as error:
        raise _not_found() from error


def _position(frame: Mapping[str, Any]) -> int:
    after = frame.get("after") or 0
    try:
        # As text: a number in JSON may be true, negative or of a thousand digits.
        return parse(after if isinstance(after, str) else json.dumps(after), _message_id(frame))
    except MalformedCursor as error:
        raise Refusal(error.code, str(error.public)) from error


def _not_found() -> Refusal:
    return Refusal("not_found", _("This message does not exist."))


def _find(user: User, message_id: str) -> Message:
    return Message.objects.for_user(user).exclude(role=Role.SYSTEM).get(pk=message_id)


def _find_and_cancel(user: User, message_id: str) -> None:
    _find(user, message_id).cancel()


def _encoded(event: Event) -> str:
    """Return the event as a frame, encoded once for all sockets."""
    if "websocket" not in event.frames:
        frame = payload(event)
        if "id" in frame:
            frame["call_id"] = frame["id"]
        event.frames["websocket"] = dumps(frame | {"type": event.kind, "id": event.id}).encode()
    return event.frames["websocket"].decode()
