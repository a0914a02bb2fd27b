"""Joining: an answer that is not streamed is one chunk, in however many pieces its provider gives it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from converse_stream.events import Reasoning, Text, to_delta
from converse_stream.exceptions import ProviderError
from converse_stream.generation.source import Item

_LONGEST = 262_144
"""Characters that are kept back: what never ends must not fill the memory."""


async def joined(items: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """Yield the items with neighbouring texts, and neighbouring reasonings, as one."""
    held: list[Text | Reasoning] = []
    size = 0
    async with aclosing(items):
        try:
            async for item in items:
                delta = to_delta(item)
                if held and (type(delta) is not type(held[0]) or size > _LONGEST):
                    yield _one(held)
                    held, size = [], 0
                if isinstance(delta, Text | Reasoning):
                    held.append(delta)
                    size += len(delta.text)
                else:
                    yield delta
        except ProviderError:
            if held:
                yield _one(held)
            raise
    if held:
        yield _one(held)


def _one(held: list[Text | Reasoning]) -> Text | Reasoning:
    return type(held[0])("".join(delta.text for delta in held))
