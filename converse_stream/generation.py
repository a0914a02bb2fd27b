"""Generation: one answer, from its prompt to its ending."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from django.db import OperationalError

from converse_stream.database import run
from converse_stream.events import ABOUT, Content, Delta, Finish, State, to_delta
from converse_stream.exceptions import ServerError, StoreUnavailable, Truncated
from converse_stream.models import Attempt, Message
from converse_stream.models.history import history
from converse_stream.prompts import Prompt
from converse_stream.providers.base import Provider
from converse_stream.providers.bridge import iterate
from converse_stream.writer import PrismStream

Item: TypeAlias = str | Delta | Mapping[str, Any]
Source: TypeAlias = Iterable[Item] | AsyncIterable[Item]
"""What may write an answer in place of a provider: any sync or async iterable of text, deltas or mappings."""


@dataclass(slots=True)
class Generation:
    """What is needed to write an answer: its message, and the provider to ask or the source to read."""

    message: Message
    provider: Provider | None = None
    source: Source | None = None
    finished: bool = field(default=False, init=False)
    """Whether the provider or source has said that the answer ends here."""

    @property
    def is_async(self) -> bool:
        """Whether this runs in an event loop; a sync source needs a thread of its own."""
        return self.provider is not None or isinstance(self.source, AsyncIterable)

    def run(self, stream: PrismStream) -> None:
        """Write the answer from sync code. An error ends the message as failed and is raised."""
        call = _Call(self)
        try:
            with stream:
                prompt = call.begin()
                with closing(self._items(prompt)) as items:
                    for item in items:
                        self._take(stream, call, item)
                self._check_finished(stream.outcome.finish_reason)
        finally:
            call.end(stream)

    async def arun(self, stream: PrismStream) -> None:
        """Write the answer from async code, as `run` does."""
        call = _Call(self)
        try:
            async with stream:
                prompt = await run(call.begin)
                async with aclosing(self._aitems(prompt)) as items:
                    async for item in items:
                        delta = self._learn(stream, call, item)
                        if delta is not None:
                            await stream.awrite(delta)
                self._check_finished(stream.outcome.finish_reason)
        finally:
            await run(call.end, stream)

    def _take(self, stream: PrismStream, call: _Call, item: Item) -> None:
        delta = self._learn(stream, call, item)
        if delta is not None:
            stream.write(delta)

    def _learn(self, stream: PrismStream, call: _Call, item: Item) -> Content | None:
        """Return an item's content; keep what is no content but says something about the answer."""
        delta = to_delta(item)
        if isinstance(delta, State):
            if self.provider is not None:
                stream.keep(delta, self.provider.label)
            return None
        if isinstance(delta, ABOUT):
            self.finished = self.finished or isinstance(delta, Finish)
            stream.learn(delta)
            return None
        if call.first_delta is None:
            call.first_delta = time.monotonic()
        return delta

    def _items(self, prompt: Prompt | None) -> Generator[Item, None, None]:
        if prompt is not None or isinstance(self.source, AsyncIterable):
            yield from iterate(lambda: self._aitems(prompt), self._disconnect)
        elif self.source is not None:
            items = iter(self.source)
            try:
                yield from items
            finally:
                if hasattr(items, "close"):
                    items.close()

    async def _disconnect(self) -> None:
        if self.provider is not None:
            await self.provider.disconnect()

    def _aitems(self, prompt: Prompt | None) -> AsyncGenerator[Item, None]:
        if prompt is not None and self.provider is not None:
            items: AsyncIterator[Item] = self.provider.deltas(prompt)
        else:
            items = aiter(cast("AsyncIterable[Item]", self.source))
        # A generator is taken as it is: each layer around it costs something for every delta.
        return items if isinstance(items, AsyncGenerator) else _generated(items)

    def _check_finished(self, finish_reason: str) -> None:
        if self.provider is not None and not self.finished:
            raise Truncated("the provider's answer stopped without its ending")
        if finish_reason == "error":
            raise ServerError("the provider ended its answer with an error")


async def _generated(items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    try:
        async for item in items:
            yield item
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()


class _Call:
    """The Attempt row of a generation's call to its provider; a source has none."""

    def __init__(self, generation: Generation) -> None:
        self.message = generation.message
        self.provider = generation.provider
        self.started = time.monotonic()
        self.first_delta: float | None = None
        self._attempt: Attempt | None = None

    def begin(self) -> Prompt | None:
        """Read the history and record that the provider is about to be called."""
        if self.provider is None:
            return None
        try:
            prompt = self.provider.prompt(history(self.message.conversation, parent=self.message.parent))
            self._attempt = Attempt.objects.create(
                message=self.message, provider=self.provider.name, model=self.provider.model
            )
        except OperationalError as error:
            raise StoreUnavailable("the database could not be reached to begin the answer") from error
        self.started = time.monotonic()
        return prompt

    def end(self, stream: PrismStream) -> None:
        """Record how the call went."""
        if self._attempt is None:
            return
        known = stream.outcome
        Attempt.objects.filter(pk=self._attempt.pk).update(
            outcome=self._outcome(stream),
            error_code=stream.error.code if stream.error else stream.message.error_code,
            model=known.model or self._attempt.model,
            time_to_first_delta=None if self.first_delta is None else self.first_delta - self.started,
            duration=time.monotonic() - self.started,
            input_tokens=known.input_tokens,
            output_tokens=known.output_tokens,
            cached_tokens=known.cached_tokens,
            reasoning_tokens=known.reasoning_tokens,
            request_id=known.request_id,
        )

    def _outcome(self, stream: PrismStream) -> str:
        status = Attempt.Outcome.FAILED if stream.error else stream.message.status
        return status if status in Attempt.Outcome.values else Attempt.Outcome.RUNNING
