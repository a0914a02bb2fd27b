"""Source: what may write an answer in place of a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from contextlib import aclosing, closing
from typing import Any, TypeAlias

from converse_stream.events import ABOUT, Content, Delta, State, to_delta
from converse_stream.exceptions import ServerError
from converse_stream.providers.bridge import iterate
from converse_stream.writer import PrismStream

Item: TypeAlias = str | Delta | Mapping[str, Any]
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]
"""Any sync or async iterable of text, deltas or mappings."""


def read(source: Source, stream: PrismStream) -> None:
    """Write down what a source says."""
    with closing(_items(source)) as items:
        for item in items:
            content = _learn(stream, item)
            if content is not None:
                stream.write(content)
    _check(stream)


async def aread(source: AsyncIterable[Item], stream: PrismStream) -> None:
    """Write down what an async source says."""
    async with aclosing(generator(aiter(source))) as items:
        async for item in items:
            content = _learn(stream, item)
            if content is not None:
                await stream.awrite(content)
    _check(stream)


def generator(items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    """Return an iterator as a generator, which can be closed; one that is one as it is, as a layer costs something."""
    return items if isinstance(items, AsyncGenerator) else _generated(items)


async def _generated(items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    try:
        async for item in items:
            yield item
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()


def _items(source: Source) -> Generator[Item, None, None]:
    if isinstance(source, AsyncIterable):
        yield from iterate(lambda: generator(aiter(source)), _nothing)
        return
    items = iter(source)
    try:
        yield from items
    finally:
        if hasattr(items, "close"):
            items.close()


async def _nothing() -> None:
    return


def _learn(stream: PrismStream, item: Item) -> Content | None:
    """Return an item's content; keep what is no content but says something about the answer."""
    delta = to_delta(item)
    if isinstance(delta, ABOUT):
        stream.learn(delta)
        return None
    return None if isinstance(delta, State) else delta


def _check(stream: PrismStream) -> None:
    if stream.outcome.finish_reason == "error":
        raise ServerError("the source ended its answer with an error")
