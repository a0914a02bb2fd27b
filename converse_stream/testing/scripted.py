"""ScriptedProvider: says what a test wrote down, when the test wants it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeAlias

from converse_stream.events import Delta, Finish, to_delta
from converse_stream.prompts import Prompt
from converse_stream.providers.base import Provider

Step: TypeAlias = str | Delta | Mapping[str, Any] | Exception | threading.Event
_LOOK_SECONDS = 0.002


class ScriptedProvider(Provider):
    """Yields a script, the same for each prompt: `ScriptedProvider(["Hello ", pause, "world"])`.

    A str, a delta or a mapping is yielded, an exception is raised, a threading.Event is waited for without
    blocking the event loop, so that tests need no sleep. A script without a Finish ends with Finish("stop").
    """

    def __init__(self, script: Iterable[Step], name: str = "scripted", model: str = "script") -> None:
        super().__init__(name, model)
        self.script = [step if isinstance(step, Exception | threading.Event) else to_delta(step) for step in script]
        self.prompts: list[Prompt] = []
        """The prompts that were given, in order."""

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the script."""
        self.prompts.append(prompt)
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, threading.Event):
                await _set(step)
            else:
                await asyncio.sleep(0)  # a stop gets through between any two deltas
                yield step
        if not any(isinstance(step, Finish) for step in self.script):
            yield Finish("stop")


async def _set(event: threading.Event) -> None:
    # Not in a thread of its own: it would outlive a test that never sets the event.
    while not event.is_set():  # noqa: ASYNC110 - the event belongs to another thread
        await asyncio.sleep(_LOOK_SECONDS)
