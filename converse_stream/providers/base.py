"""Provider: what every provider is, for a site's own ones too."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, ClassVar, Self, TypeAlias, cast

from converse_stream.events import Delta, Finish, Text
from converse_stream.exceptions import ProviderError, ServerError, Truncated
from converse_stream.outcome import normal_reason
from converse_stream.output import OnChunk, Output, Writable
from converse_stream.prompts import Prompt, PromptMessage, to_messages, with_state_of
from converse_stream.providers import bridge

Messages: TypeAlias = Iterable[PromptMessage | Mapping[str, Any]]
"""What has been said: prompt messages, or `{"role", "content"}` mappings."""


NOT_ABOUT_STREAMING = frozenset({"auth", "permission", "quota", "not_found", "context_length", "content_filter"})
"""The codes of errors that a whole answer would meet just the same."""


def check_ending(finish: Finish | None) -> None:
    """Raise Truncated or ServerError for an answer that has not ended properly."""
    if finish is None:
        raise Truncated("the provider's answer stopped without its ending")
    if normal_reason(finish.reason) == "error":
        raise ServerError("the provider ended its answer with an error")


class Provider(ABC):
    """Turn prompts into deltas. A subclass implements `deltas`; it may be asked for several answers at once."""

    default_model: ClassVar[str] = ""
    """The model when neither the caller nor the config names one."""
    supports_schema: ClassVar[bool] = False
    """Whether the option `schema` holds an answer to a JSON schema; if not, the model is told of it in words."""
    config_keys: ClassVar[frozenset[str] | None] = None
    """The keys its entry in PROVIDERS may have beside `class`, `model` and `options`; None accepts any."""

    def __init__(
        self,
        name: str,
        model: str = "",
        *,
        options: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        """The provider's name in PROVIDERS."""
        self.model = model or self.default_model
        self.options: Mapping[str, Any] = dict(options or {})
        """Options for every prompt; those of a call win."""
        self.config: Mapping[str, Any] = dict(config or {})
        """The provider's entry in PROVIDERS."""

    def __repr__(self) -> str:
        # Without the config, which may hold a key.
        return f"<{type(self).__name__} {self.label}>"

    @property
    def label(self) -> str:
        """`provider:model`, as it can be asked for."""
        return f"{self.name}:{self.model}"

    @property
    def vendor_url(self) -> str:
        """The address of the company whose list prices hold; empty where none do."""
        return ""

    @abstractmethod
    def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the answer as it arrives, and at the end exactly one Finish: an async generator.

        Raise a ProviderError for what goes wrong; what was yielded until then counts. Being closed early
        must end the request.
        """

    def amended(self, prompt: Prompt, error: ProviderError) -> Prompt | None:
        """Return what to ask instead of a prompt that was refused before the first delta; None where that is all."""
        return None

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise InvalidOptions for options that cannot be asked for; it is called before anything is written."""
        return

    async def disconnect(self) -> None:
        """Close what is kept open on the running event loop, which is about to end."""
        return

    def replaced(self, *, name: str, model: str, options: Mapping[str, Any]) -> Self:
        """Return this provider under another name, with another model and options: itself if they are the same."""
        if (name, model, dict(options)) == (self.name, self.model, self.options):
            return self
        twin = copy.copy(self)
        twin.name, twin.model, twin.options = name, model, dict(options)
        return twin

    def prompt(self, messages: Messages, options: Mapping[str, Any] | None = None) -> Prompt:
        """Return a prompt for this provider's model, with its own options beneath those given.

        A part's `state` is a list of the blobs that this provider's model has left with it; those of others are not.
        """
        own = with_state_of(self.label, to_messages(messages))
        return Prompt(own, self.model, {**self.options, **(options or {})})

    def stream(
        self, messages: Messages, *, on_chunk: OnChunk | None = None, to: Writable | None = None, **options: Any
    ) -> Iterator[Delta]:
        """Ask from sync code: yield the deltas as they arrive. No database is involved."""
        output = Output(on_chunk, to)
        output.check_sync()
        deltas = self.answer(self.prompt(messages, options))
        return _told(deltas, output) if output else deltas

    def astream(
        self, messages: Messages, *, on_chunk: OnChunk | None = None, to: Writable | None = None, **options: Any
    ) -> AsyncIterator[Delta]:
        """Ask as `stream` does, from async code."""
        output = Output(on_chunk, to)
        deltas = self.aanswer(self.prompt(messages, options))
        return _atold(deltas, output) if output else deltas

    def text(self, messages: Messages, **options: Any) -> str:
        """Ask, and return the whole text of the answer; takes what `stream` takes.

        Raise a ProviderError if it does not end properly.
        """
        pieces, finish = [], None
        for delta in self.stream(messages, **options):
            finish = delta if isinstance(delta, Finish) else finish
            pieces += [delta.text] if isinstance(delta, Text) else []
        check_ending(finish)
        return "".join(pieces)

    async def atext(self, messages: Messages, **options: Any) -> str:
        """Return the text as `text` does, from async code."""
        pieces, finish = [], None
        async for delta in self.astream(messages, **options):
            finish = delta if isinstance(delta, Finish) else finish
            pieces += [delta.text] if isinstance(delta, Text) else []
        check_ending(finish)
        return "".join(pieces)

    def answer(self, prompt: Prompt) -> Iterator[Delta]:
        """Yield what `aanswer` does in sync code; its event loop runs in a thread of its own."""
        return bridge.iterate(lambda: self.aanswer(prompt), self.disconnect)

    async def aanswer(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the deltas of a prompt, or of what is asked instead when it was refused before the first of them."""
        begun = False
        try:
            async with aclosing(cast("AsyncGenerator[Delta, None]", self.deltas(prompt))) as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
                return
        except ProviderError as error:
            amended = None if begun else self.amended(prompt, error) or _whole(prompt, error)
            if amended is None:
                raise
        async with aclosing(cast("AsyncGenerator[Delta, None]", self.deltas(amended))) as deltas:
            async for delta in deltas:
                yield delta


def _whole(prompt: Prompt, error: ProviderError) -> Prompt | None:
    """Return a prompt for a whole answer, where that is wanted when streaming fails."""
    if prompt.options.get("stream") != "prefer" or error.code in NOT_ABOUT_STREAMING:
        return None
    return replace(prompt, options={**prompt.options, "stream": False})


def _told(deltas: Iterator[Delta], output: Output) -> Iterator[Delta]:
    with closing(cast("Generator[Delta, None, None]", deltas)):
        for delta in deltas:
            if isinstance(delta, Text):
                output.say(delta.text)
            yield delta


async def _atold(deltas: AsyncIterator[Delta], output: Output) -> AsyncIterator[Delta]:
    async with aclosing(cast("AsyncGenerator[Delta, None]", deltas)):
        async for delta in deltas:
            if isinstance(delta, Text):
                await output.asay(delta.text)
            yield delta
