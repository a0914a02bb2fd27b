"""Opening an answer that the caller writes."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from asgiref.sync import sync_to_async
from django.db import router, transaction

from converse_stream import brokers
from converse_stream.models import Conversation, Message, Status
from converse_stream.models.contents import check_metadata
from converse_stream.models.endings import announce
from converse_stream.models.opening import insert, live
from converse_stream.transforms import Transform
from converse_stream.transforms.base import checked
from converse_stream.writer.stream import PrismStream


def start_stream(
    conversation: Conversation,
    *,
    model: str = "",
    metadata: Mapping[str, Any] | None = None,
    interrupt: bool = False,
    transforms: Sequence[Transform] = (),
) -> PrismStream:
    """Open an answer; see Conversation.start_stream."""
    brokers.check()
    checked(transforms)
    message = live(provider="", model=model, metadata=check_metadata(metadata))
    insert(conversation, [message], interrupt=interrupt)
    announce_start(message)
    return PrismStream(message, transforms=transforms)


def announce_start(message: Message) -> None:
    """Send `stream_started` after the commit; of an answer that waits in a queue whoever claims it does."""
    if message.status == Status.PENDING:
        return
    using = router.db_for_write(Message)
    transaction.on_commit(partial(announce, message.pk, Status.STREAMING), using=using)


class StreamOpening:
    """What `astart_stream` returns: await it for the stream, or enter it with `async with`."""

    def __init__(self, conversation: Conversation, options: Mapping[str, Any]) -> None:
        self._open = partial(start_stream, conversation, **options)

    def __await__(self) -> Generator[Any, None, PrismStream]:
        return sync_to_async(self._open)().__await__()

    async def __aenter__(self) -> PrismStream:
        self._stream = await self
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return await self._stream.__aexit__(kind, error, traceback)
