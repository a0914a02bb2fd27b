"""Source: what may write an answer in place of a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Any, TypeAlias, cast

from converse_stream.events import ABOUT, Content, Delta, State
from converse_stream.exceptions import ServerError
from converse_stream.generation.foreign import Foreign, holds_connection
from converse_stream.providers.bridge import iterate
from converse_stream.writer import PrismStream

Item: TypeAlias = str | Delta | Mapping[str, Any]
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]
"""Any sync or async iterable of text, deltas, mappings or the events of OpenAI's and Anthropic's libraries."""


def read(source: Source, stream: PrismStream) -> None:
    """Write down what a source says."""
    with Foreign() as foreign, closing(_items(source)) as items:
        for item in items:
            for content in _learnt(stream, foreign.deltas(item)):
                stream.write(content)
        for content in _learnt(stream, foreign.rest()):
            stream.write(content)
    _check(stream)


async def aread(source: AsyncIterable[Item], stream: PrismStream) -> None:
    """Write down what an async source says."""
    with Foreign() as foreign:
        async with aclosing(_opened(source)) as items:
            async for item in items:
                for content in _learnt(stream, foreign.deltas(item)):
                    await stream.awrite(content)
            for content in _learnt(stream, foreign.rest()):
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
        yield from iterate(lambda: _opened(source), _nothing)
        return
    items = iter(source)
    try:
        yield from items
    finally:
        if hasattr(items, "close"):
            items.close()
        if holds_connection(source):
            cast("Any", source).close()


def _opened(source: AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
    return _hanging_up(source) if holds_connection(source) else generator(aiter(source))


async def _hanging_up(source: AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
    try:
        async for item in source:
            yield item
    finally:
        await cast("Any", source).close()


async def _nothing() -> None:
    return


def _learnt(stream: PrismStream, deltas: Iterable[Delta]) -> Iterator[Content]:
    """Yield what is content; keep what is not but says something about the answer."""
    for delta in deltas:
        if isinstance(delta, ABOUT):
            stream.learn(delta)
        elif not isinstance(delta, State):
            yield delta


def _check(stream: PrismStream) -> None:
    if stream.outcome.finish_reason == "error":
        raise ServerError("the source ended its answer with an error")
