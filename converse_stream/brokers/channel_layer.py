"""Hints over a channel layer of Channels: on Redis, with channels_redis, or on whatever a site has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from typing import Any

from channels.layers import channel_layers

from converse_stream.brokers.background import BEAT, LOST_AFTER, BackgroundBroker
from converse_stream.conf import settings

CONNECTS_WITHIN = 2.0
SENDS_WITHIN = 0.25
"""Seconds. A layer that takes longer is left alone for a while."""
ONE_PROCESS = "channels.layers.InMemoryChannelLayer"


class ChannelLayerBroker(BackgroundBroker):
    """One group for all processes: a message of it names what has news since the last one, and no text."""

    alias = "default"
    """The layer, a key of CHANNEL_LAYERS."""

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._heard_at = 0.0

    @classmethod
    def problems(cls) -> Iterator[str]:
        """Yield what keeps hints from other processes."""
        if cls.alias not in channel_layers:
            yield f"there is no channel layer {cls.alias!r} in CHANNEL_LAYERS"
        elif channel_layers.configs[cls.alias].get("BACKEND") == ONE_PROCESS:
            yield f"the channel layer {cls.alias!r} stays in its process; channels_redis has one that does not"

    def session(self) -> None:
        """Serve the layer in an event loop of the thread's own."""
        asyncio.run(self._serve())

    def wake(self) -> None:
        """Wake the loop."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._news.set)

    async def _serve(self) -> None:
        # A layer of our own: those of consumers belong to other event loops.
        layer, group = channel_layers.make_backend(self.alias), f"{settings.GROUP_PREFIX}.hints"
        self._news, self._loop = asyncio.Event(), asyncio.get_running_loop()
        hearing: asyncio.Task[None] | None = None
        try:
            channel = await _within(CONNECTS_WITHIN, layer.new_channel())
            await _within(CONNECTS_WITHIN, layer.group_add(group, channel))
            hearing = asyncio.create_task(self._hear(layer, channel))
            await self._beat(layer, group, channel)
            self.connected()
            await self._tell(layer, group, channel, hearing)
        finally:
            self._loop = None
            if hearing is not None:
                hearing.cancel()
                await asyncio.wait({hearing}, timeout=CONNECTS_WITHIN)
                if hearing.done() and not hearing.cancelled():
                    hearing.exception()  # told by whatever ended the session
            if close := getattr(layer, "close_pools", None):
                await _within(CONNECTS_WITHIN, close())

    async def _tell(self, layer: Any, group: str, channel: str, hearing: asyncio.Task[None]) -> None:
        beat_at = time.monotonic() + BEAT
        self._news.set()  # what was noted before there was a loop
        while not self.stopping.is_set() and not hearing.done():
            with suppress(TimeoutError):
                await _within(max(0.0, beat_at - time.monotonic()), self._news.wait())
            self._news.clear()
            if message_ids := self.take():
                await _within(SENDS_WITHIN, layer.group_send(group, self._message(*message_ids)))
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + BEAT
                await self._beat(layer, group, channel)
        if hearing.done():
            await hearing

    async def _beat(self, layer: Any, group: str, channel: str) -> None:
        """Prove that we hear ourselves, and join the group again: it may have been flushed away."""
        if time.monotonic() - self._heard_at > LOST_AFTER and self._heard_at:
            self._heard_at = 0.0
            raise TimeoutError(f"nothing came from the channel layer for {LOST_AFTER:.0f} s")
        await _within(CONNECTS_WITHIN, layer.group_add(group, channel))
        await _within(CONNECTS_WITHIN, layer.group_send(group, self._message()))

    async def _hear(self, layer: Any, channel: str) -> None:
        self._heard_at = time.monotonic()
        while True:
            message = await layer.receive(channel)
            self._heard_at = time.monotonic()
            self.hear(str(message.get("sender")), [one for one in message.get("ids", ()) if isinstance(one, str)])

    def _message(self, *message_ids: str) -> dict[str, Any]:
        return {"type": "converse.hint", "sender": self.token, "ids": list(message_ids)}


async def _within(seconds: float, awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(seconds):
        return await awaitable
