"""Generation: what is needed to write an answer, and its writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from asgiref.sync import async_to_sync

from converse_stream.conf import settings
from converse_stream.database import run
from converse_stream.events import ToolCall
from converse_stream.generation.caching import CachedAnswer, replay
from converse_stream.generation.calls import Calls
from converse_stream.generation.outlasting import apause, outlast, pause
from converse_stream.generation.running import Caller, answer_calls, in_caller, in_thread, refuse_calls
from converse_stream.generation.source import Item, Source, aread, read
from converse_stream.generation.structure import Structure
from converse_stream.generation.titles import atitle_after, title_after
from converse_stream.models import Message
from converse_stream.prompts import PromptMessage
from converse_stream.providers.base import Provider
from converse_stream.providers.bridge import iterate
from converse_stream.schemas import INVALID, Schema
from converse_stream.tools import Toolbox
from converse_stream.transforms import Transform
from converse_stream.windows import Window
from converse_stream.writer import PrismStream


@dataclass(slots=True)
class Generation:
    """What is needed to write an answer: its message, and the providers to ask or the source to read.

    The first provider answers; the others are asked in turn if it cannot.
    """

    message: Message
    providers: Sequence[Provider] = ()
    source: Source | None = None
    schema: Schema | None = None
    """What object the answer is to be."""
    system: str | None = None
    """What the model is told before everything else, in place of the conversation's system prompt."""
    tools: Toolbox = field(default_factory=Toolbox)
    """What the model may have called; it was declared to the providers in their options."""
    prompt: Sequence[PromptMessage] | None = None
    """What to ask in place of the conversation's history."""
    cache: float | None = None
    """For how many seconds the answer is kept in the cache."""
    transforms: Sequence[Transform] = ()
    """What the answer goes through on its way into the record."""
    window: Window | None = None
    """How much of the conversation the model is told; as much as its context holds."""

    @property
    def is_async(self) -> bool:
        """Whether this runs in an event loop; a sync source needs a thread of its own."""
        return bool(self.providers) or isinstance(self.source, AsyncIterable)

    def described(self, describe: Callable[[Generation], dict[str, Any] | None]) -> dict[str, Any] | None:
        """Return this as JSON for another process; `describe` does that for a generation that is no more than one."""
        return describe(self)

    def run(self, stream: PrismStream) -> None:
        """Write the answer from sync code. An error ends the message as failed and is raised."""
        self._say(stream)
        title_after(stream.message)

    async def arun(self, stream: PrismStream) -> None:
        """Write the answer from async code, as `run` does."""
        await self._asay(stream)
        await atitle_after(stream.message)

    def _say(self, stream: PrismStream) -> None:
        if self.source is not None:
            with stream:
                read(self.source, stream)
            return
        calls = self._calls(stream)
        try:
            with stream:
                place = self._place(calls)
                found = place.find() if place else None
                for content in replay(found, stream) if found else ():
                    stream.write(content)
                while not found and _step(calls, stream):
                    pass
                if place and not found:
                    place.keep(stream.settle().flush().said(), stream.outcome)
        finally:
            calls.end()

    async def _asay(self, stream: PrismStream) -> None:
        if self.source is not None:
            async with stream:
                await aread(cast("AsyncIterable[Item]", self.source), stream)
            return
        calls = self._calls(stream)
        try:
            async with stream:
                place = await outlast(partial(self._place, calls), stream) if self.cache else None
                found = await run(place.find) if place else None
                for content in replay(found, stream) if found else ():
                    await stream.awrite(content)
                while not found and await _astep(calls, stream):
                    pass
                if place and not found:
                    await run(place.keep, (await (await stream.asettle()).aflush()).said(), stream.outcome)
        finally:
            if not calls.is_ended:
                # A stop may be told twice: the second must not keep the attempt from being ended.
                await asyncio.shield(run(calls.end))

    def _place(self, calls: Calls) -> CachedAnswer | None:
        """Return where the cache keeps the answer. With tools it keeps none: they are there to be run."""
        if not self.cache or self.tools or settings.CACHE is None:
            return None
        provider, prompt = calls.first()
        return CachedAnswer(self.message.conversation, provider, prompt, self.cache)

    def _calls(self, stream: PrismStream) -> Calls:
        structure = Structure(self.schema) if self.schema else None
        return Calls(
            self.message,
            self.providers,
            stream,
            tools=self.tools,
            structure=structure,
            system=self.system,
            window=self.window,
            prompt=self.prompt,
        )


def _step(calls: Calls, stream: PrismStream) -> bool:
    """Have the model speak, and run the tools it calls. Return whether another step follows."""
    seconds: float | None = 0.0
    while seconds is not None:
        pause(stream, seconds)
        seconds = _call(calls, stream)
    ran = calls.to_run()
    if ran:
        stream.flush()
        async_to_sync(_run)(ran, calls, stream, in_caller)
        return calls.go_on(ran)
    if calls.structure is None:
        return False
    read = calls.read(stream.flush().parts())
    if read is not None:
        stream.write(read)
    return read is not None and read.name == INVALID


async def _run(ran: Sequence[ToolCall], calls: Calls, stream: PrismStream, caller: Caller) -> None:
    if calls.may_go_on:
        await answer_calls(ran, calls.tools, stream, caller)
    else:
        await refuse_calls(ran, stream)


async def _astep(calls: Calls, stream: PrismStream) -> bool:
    seconds: float | None = 0.0
    while seconds is not None:
        await apause(stream, seconds)
        seconds = await _acall(calls, stream)
    ran = calls.to_run()
    if ran:
        await stream.aflush()
        await _run(ran, calls, stream, in_thread)
        return calls.go_on(ran)
    if calls.structure is None:
        return False
    read = calls.read((await stream.aflush()).parts())
    if read is not None:
        await stream.awrite(read)
    return read is not None and read.name == INVALID


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
            stream.settle()
    finally:
        # Before the answer's ending: who has seen that looks at its attempts.
        if call.is_over:
            calls.end()
    return calls.after(call)


async def _acall(calls: Calls, stream: PrismStream) -> float | None:
    calls.is_ended = False  # a stop may come while a thread begins it
    call = await outlast(calls.begin, stream)
    try:
        with call:
            async with aclosing(call.deltas()) as deltas:
                async for delta in deltas:
                    content = call.take(delta)
                    if content is not None:
                        await stream.awrite(content)
            call.finish()
            await stream.asettle()
    finally:
        if call.is_over:
            await asyncio.shield(run(calls.end))
    return calls.after(call)
