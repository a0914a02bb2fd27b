"""How the tests of a provider ask: what, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from converse_stream.events import Delta, Text
from converse_stream.exceptions import ProviderError
from converse_stream.providers import Provider
from converse_stream.testing.replay import ReplayServer

QUESTION = ({"role": "user", "content": "Hello?"},)
CONVERSATION: tuple[dict[str, Any], ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the weather in Oslo?"},
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "text": "I have to look."},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_call", "id": "call_0123456789", "name": "weather", "arguments": {"city": "Oslo"}},
            {"type": "tool_result", "id": "call_0123456789", "name": "weather", "result": {"celsius": -3}},
            {"type": "data", "name": "progress", "value": "shown to viewers only"},
            {"type": "text", "text": "It is cold."},
        ],
    },
    {"role": "user", "content": "And in Bergen?"},
)


class raises:
    """A block that raises a ProviderError, which it keeps."""

    error: ProviderError

    def __enter__(self) -> raises:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is None:
            raise AssertionError("no ProviderError was raised")
        if isinstance(error, ProviderError):
            self.error = error
        elif isinstance(error, Exception) and not isinstance(error, AssertionError):
            raise AssertionError(f"no ProviderError was raised but {error!r}") from error
        return isinstance(error, ProviderError)


def text_of(deltas: Iterable[Delta]) -> str:
    """Return the text of an answer."""
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


async def several(provider: Provider, count: int) -> list[list[Delta]]:
    """Return so many answers, asked for at once."""

    async def one() -> list[Delta]:
        return [delta async for delta in provider.astream(QUESTION)]

    try:
        return await asyncio.gather(*(one() for _ in range(count)))
    finally:
        await provider.disconnect()


async def left(provider: Provider, server: ReplayServer) -> None:
    """Ask, and leave once the request has arrived."""
    task = asyncio.create_task(several(provider, 1))
    await asyncio.to_thread(server.requested.wait, 10)
    task.cancel()
    await asyncio.wait([task])
