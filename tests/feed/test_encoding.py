"""An event is encoded once in each dialect, however many look at it."""

import asyncio
from collections import Counter

import pytest
from asgiref.sync import sync_to_async

from converse_stream.dialects.base import SharedDialect
from converse_stream.dialects.native import NativeDialect
from converse_stream.dialects.text import TextDialect
from converse_stream.events import Event
from converse_stream.models import Conversation
from converse_stream.responses import EventStreamResponse

pytestmark = pytest.mark.django_db(transaction=True)

VIEWERS = 100


class Counted(SharedDialect):
    """Counts how often it encodes each event, by kind and end."""

    def __init__(self) -> None:
        self.encoded: Counter[tuple[str, int]] = Counter()

    def frame(self, event: Event) -> bytes:
        self.encoded[event.kind, event.end] += 1
        return super().frame(event)

    @property
    def most(self) -> int:
        """How often it has encoded the event that it has encoded most often; a start is each viewer's own."""
        return max(times for (kind, _), times in self.encoded.items() if kind != "start")


class CountedNative(Counted, NativeDialect):
    """A format that has a word for everything."""


class CountedText(Counted, TextDialect):
    """One that has none for an ending."""


async def test_a_hundred_viewers_have_each_event_encoded_once(conversation: Conversation) -> None:
    dialects = (CountedNative(), CountedText())
    stream = await conversation.astart_stream()
    heard = asyncio.Semaphore(0)

    async def view(dialect: Counted) -> bytes:
        body = b""
        async for part in EventStreamResponse(stream.message, dialect=dialect):
            if b"word" in part and b"word" not in body:
                heard.release()
            body += part
        return body

    tasks = [asyncio.create_task(view(dialects[number % 2])) for number in range(VIEWERS)]
    await stream.aappend("word ")
    await stream.aflush()
    for _ in range(VIEWERS):  # who comes later may be told more at once
        await asyncio.wait_for(heard.acquire(), 60)
    for dialect in dialects:
        dialect.encoded.clear()
    for number in range(10):
        await stream.aappend(f"word{number} ")
        await stream.aflush()
    await stream.acomplete()
    bodies = await asyncio.gather(*tasks)

    assert all(b"word9" in body for body in bodies)
    assert [dialect.encoded["complete", stream.position] for dialect in dialects] == [1, 1]
    assert [dialect.most for dialect in dialects] == [1, 1]


async def test_viewers_that_are_behind_together_share_what_they_are_told(conversation: Conversation) -> None:
    dialect = CountedNative()
    stream = await conversation.astart_stream()
    first = stream.message.afollow(timeout=30)
    await anext(first)
    for number in range(10):
        await stream.aappend(f"word{number} ")
        await stream.aflush()
    await stream.acomplete()
    await sync_to_async(stream.message.refresh_from_db)()

    async def view() -> bytes:
        return b"".join([part async for part in EventStreamResponse(stream.message, dialect=dialect)])

    bodies = await asyncio.gather(*[view() for _ in range(VIEWERS)])

    assert all(b"word9" in body for body in bodies)
    assert dialect.most == 1
    await first.aclose()
