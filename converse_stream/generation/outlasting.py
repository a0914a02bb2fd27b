"""Outlasting: what a generation needs of the database, asked for anew until an outage is over; and its pauses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from converse_stream.conf import settings
from converse_stream.database import run
from converse_stream.exceptions import StoreUnavailable, StreamClosed
from converse_stream.recorder.pace import OUTAGE
from converse_stream.writer import PrismStream

T = TypeVar("T")
logger = logging.getLogger("converse_stream")

_LOOK = 0.25
"""Seconds after which a pause looks whether the answer has been stopped."""
_LONGEST = 2.0
"""Seconds of the longest pause between two tries."""


async def outlast(work: Callable[[], T], stream: PrismStream) -> T:
    """Run `work` in a database thread, again and again while it raises StoreUnavailable, for as long as a writer waits.

    With the inline runner it is the caller's connection, and perhaps its transaction: that cannot be tried again.
    """
    until, seconds = time.monotonic() + OUTAGE, 0.05
    while True:
        try:
            return await run(work)
        except StoreUnavailable:
            if settings.RUNNER == "inline" or time.monotonic() > until:
                raise
            logger.warning("message %s: the database cannot be reached; trying again", stream.message.pk, exc_info=True)
        await apause(stream, seconds)
        seconds = min(seconds * 2, _LONGEST)


async def apause(stream: PrismStream, seconds: float) -> None:
    """Pause, but not beyond the end of an answer that somebody stops: raise StreamClosed then."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stream.is_closed:
            raise StreamClosed(f"message {stream.message.pk} was ended by somebody else")
        await asyncio.sleep(min(left, _LOOK))


def pause(stream: PrismStream, seconds: float) -> None:
    """Pause as `apause` does, from sync code."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        stream.flush()  # raises StreamClosed
        time.sleep(min(left, _LOOK))
