"""UpdatesResponse: watch a conversation over HTTP; and the JSON of an update, the same over every transport."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from converse_stream.conf import settings
from converse_stream.database import release
from converse_stream.dialects import get_dialect, payload
from converse_stream.events import Event, dumps
from converse_stream.exceptions import MalformedCursor, UnknownDialect
from converse_stream.feed import ConversationCursor, Update, awatch, is_draining, watch
from converse_stream.models import Conversation
from converse_stream.responses.body import longest, scattered
from converse_stream.responses.refusals import error_body
from converse_stream.responses.response import HEADERS
from converse_stream.responses.viewed import ViewedResponse

_KEY = "updates"
NATIVE = "native"


def to_json(conversation_id: str, event: Event) -> str:
    """Return what an update says, without its cursor: one line of JSON, made once for all who watch."""
    if _KEY not in event.frames:
        event.frames[_KEY] = dumps(_payload(conversation_id, event)).encode()
    return event.frames[_KEY].decode()


def _payload(conversation_id: str, event: Event) -> dict[str, Any]:
    about = {"type": event.kind, "conversation": conversation_id}
    if not event.message_id:
        return {**event.data, **about}
    if event.kind == "message":
        return {**event.data, **about, "message_id": event.message_id}
    body = payload(event)
    if "id" in body:
        body["call_id"] = body.pop("id")  # `id` is the cursor's place
    return {**body, **about, "message_id": event.message_id}


class UpdatesResponse(ViewedResponse):
    """An HTTP response that watches a conversation, without end. Raise MalformedCursor."""

    def __init__(self, conversation: Conversation, *, after: int | str = 0, request: HttpRequest | None = None) -> None:
        ConversationCursor.parse(after, str(conversation.pk))
        self.conversation = conversation
        content_type = get_dialect(NATIVE).content_type
        super().__init__(_Body(conversation, after), request=request, content_type=content_type, headers=HEADERS)

    def viewed(self) -> tuple[str, Any]:
        """Return the conversation that is watched, and its owner."""
        return str(self.conversation.pk), self.conversation.owner_id


class _Body:
    """The bytes of a response, as a sync and as an async iterable."""

    def __init__(self, conversation: Conversation, after: int | str) -> None:
        self.conversation = conversation
        self.after = after
        self._id = str(conversation.pk)

    def __iter__(self) -> Iterator[bytes]:
        until = time.monotonic() + longest()
        yield self._prelude()
        stream = watch(self.conversation, self.after, beat=settings.SSE_HEARTBEAT, until_drain=True)
        with closing(stream):
            try:
                for updates in stream:
                    yield self._encoded(updates)
                    if is_draining() or time.monotonic() > until:
                        break
            except Conversation.DoesNotExist:
                yield self._gone()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.parts(holds_connection=True)

    async def parts(self, *, holds_connection: bool = False) -> AsyncGenerator[bytes, None]:
        """Yield what is sent. The request's database connection, if the caller still holds it, is given back first."""
        until = time.monotonic() + longest()
        if holds_connection:
            await sync_to_async(release)()
        yield self._prelude()
        stream = awatch(self.conversation, self.after, beat=settings.SSE_HEARTBEAT, until_drain=True)
        async with aclosing(stream):
            try:
                async for updates in stream:
                    yield self._encoded(updates)
                    if is_draining() or time.monotonic() > until:
                        break
            except Conversation.DoesNotExist:
                yield self._gone()

    def farewell(self) -> bytes:
        """Return nothing: who watches comes back, or is refused then."""
        return b""

    def close(self) -> None:
        """Do nothing: nobody hangs on a viewer."""

    def _prelude(self) -> bytes:
        return f"retry: {scattered(settings.SSE_RETRY, 0.5, 1.5)}\n".encode()

    def _encoded(self, updates: list[Update]) -> bytes:
        lines = [
            f"id: {update.cursor}\nevent: {update.event.kind}\ndata: {to_json(self._id, update.event)}\n\n"
            for update in updates
        ]
        return "".join(lines).encode() if lines else b":\n"

    def _gone(self) -> bytes:
        return f'event: gone\ndata: {{"conversation":"{self._id}","type":"gone"}}\n\n'.encode()


def watch_response(request: HttpRequest, conversation: Conversation) -> HttpResponseBase:
    """Answer a GET that watches a conversation, from the cursor in Last-Event-ID or `?after=`; 400 for what is none.

    Other dialects have no word for several messages at once: they are refused rather than forgotten.
    """
    after = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    try:
        if (dialect := request.GET.get("dialect", NATIVE)) != NATIVE:
            raise UnknownDialect(f"a conversation cannot be watched as {dialect[:60]!r}")
        return UpdatesResponse(conversation, after=after, request=request)
    except (MalformedCursor, UnknownDialect) as error:
        return JsonResponse(error_body(error), status=400)
