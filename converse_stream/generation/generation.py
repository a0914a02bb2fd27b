"""Generation: what is needed to write an answer, and its writing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import cast

from converse_stream.database import run
from converse_stream.exceptions import StreamClosed
from converse_stream.generation.calls import Calls
from converse_stream.generation.source import Item, Source, aread, read
from converse_stream.models import Message
from converse_stream.providers.base import Provider
from converse_stream.providers.bridge import iterate
from converse_stream.writer import PrismStream

_LOOK = 0.25
"""Seconds after which a pause looks whether the answer has been stopped."""


@dataclass(slots=True)
class Generation:
    """What is needed to write an answer: its message, and the providers to ask or the source to read.

    The first provider answers; the others are asked in turn if it cannot.
    """

    message: Message
    providers: Sequence[Provider] = ()
    source: Source | None = None

    @property
    def is_async(self) -> bool:
        """Whether this runs in an event loop; a sync source needs a thread of its own."""
        return bool(self.providers) or isinstance(self.source, AsyncIterable)

    def run(self, stream: PrismStream) -> None:
        """Write the answer from sync code. An error ends the message as failed and is raised."""
        if self.source is not None:
            with stream:
                read(self.source, stream)
            return
        calls = Calls(self.message, self.providers, stream)
        try:
            with stream:
                pause: float | None = 0.0
                while pause is not None:
                    _wait(stream, pause)
                    pause = _call(calls, stream)
        finally:
            calls.end()

    async def arun(self, stream: PrismStream) -> None:
        """Write the answer from async code, as `run` does."""
        if self.source is not None:
            async with stream:
                await aread(cast("AsyncIterable[Item]", self.source), stream)
            return
        calls = Calls(self.message, self.providers, stream)
        try:
            async with stream:
                pause: float | None = 0.0
                while pause is not None:
                    await _await(stream, pause)
                    pause = await _acall(calls, stream)
        finally:
            # A stop may be told twice: the second must not keep the attempt from being ended.
            await asyncio.shield(run(calls.end))


def _call(calls: Calls, stream: PrismStream) -> float | None:
    """Make the next call. Return the seconds to wait before another, None if it has answered."""
    call = calls.begin()
    try:
        with call:
            with closing(iterate(call.deltas, call.provider.disconnect)) as deltas:
                for delta in deltas:
                    content = call.take(delta)
                    if content is not None:
                        stream.write(content)
            call.finish()
    finally:
        # Before the answer's ending: who has seen that looks at its attempts.
        if call.is_over:
            calls.end()
    return calls.after(call)


async def _acall(calls: Calls, stream: PrismStream) -> float | None:
    call = await run(calls.begin)
    try:
        with call:
            async with aclosing(call.deltas()) as deltas:
                async for delta in deltas:
                    content = call.take(delta)
                    if content is not None:
                        await stream.awrite(content)
            call.finish()
    finally:
        if call.is_over:
            await asyncio.shield(run(calls.end))
    return calls.after(call)


def _wait(stream: PrismStream, seconds: float) -> None:
    """Pause, but not beyond the end of an answer that somebody stops: raise StreamClosed then."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        stream.flush()
        time.sleep(min(left, _LOOK))


async def _await(stream: PrismStream, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stream.is_closed:
            raise StreamClosed(f"message {stream.message.pk} was ended by somebody else")
        await asyncio.sleep(min(left, _LOOK))
