"""Choir: many answers that begin together and are written at a steady pace, in one event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

from converse_stream.models import Conversation, Message


class Choir:
    """Sources for `ask(source=…)`, each with a text of its own, `pace` deltas a second for `seconds`."""

    def __init__(self, voices: int, *, pace: float, seconds: float) -> None:
        self.voices = voices
        self.pace = pace
        self.deltas = round(pace * seconds)
        self.began_at = self.ended_at = 0.0
        """From when on all were live and sang, and until when."""
        self._arrived = threading.Barrier(2)
        self._waiting = 0
        self._beat = asyncio.Event()

    def ask(self) -> list[Message]:
        """Ask for all answers, each in a conversation of its own. They wait for `begin`."""
        return [
            Conversation.objects.create().ask("Sing", source=self.source(number), model=f"voice:{number}")
            for number in range(self.voices)
        ]

    def begin(self) -> None:
        """Let the answers begin, once all are there."""
        self._arrived.wait(60)

    def text(self, number: int) -> str:
        """Return what a source says in all."""
        return "".join(self._delta(number, index) for index in range(self.deltas))

    async def source(self, number: int) -> AsyncIterator[str]:
        """Yield an answer once all are to begin."""
        self._waiting += 1
        if self._waiting == self.voices:
            await asyncio.to_thread(self._arrived.wait, 30)
            self.began_at = time.monotonic()
            self._beat.set()
        await self._beat.wait()
        loop = asyncio.get_running_loop()
        due = loop.time() + number / self.voices / self.pace  # not all at the same moment
        for index in range(self.deltas):
            await asyncio.sleep(due - loop.time())
            yield self._delta(number, index)
            due += 1 / self.pace
        self.ended_at = self.ended_at or time.monotonic()

    def _delta(self, number: int, index: int) -> str:
        return f"{number:03}.{index:05} "
