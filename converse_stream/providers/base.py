"""Provider: what every provider is, for a site's own ones too."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

from converse_stream.events import Delta
from converse_stream.prompts import Prompt, PromptMessage, to_messages, with_state_of
from converse_stream.providers import bridge


class Provider(ABC):
    """Turn prompts into deltas. A subclass implements `deltas`; it may be asked for several answers at once."""

    default_model: ClassVar[str] = ""
    """The model when neither the caller nor the config names one."""
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

    @abstractmethod
    def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the answer as it arrives, and at the end exactly one Finish: an async generator.

        Raise a ProviderError for what goes wrong; what was yielded until then counts. Being closed early
        must end the request.
        """

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

    def prompt(
        self, messages: Iterable[PromptMessage | Mapping[str, Any]], options: Mapping[str, Any] | None = None
    ) -> Prompt:
        """Return a prompt for this provider's model, with its own options beneath those given.

        A part's `state` is a list of the blobs that this provider's model has left with it; those of others are not.
        """
        own = with_state_of(self.label, to_messages(messages))
        return Prompt(own, self.model, {**self.options, **(options or {})})

    def stream(self, messages: Iterable[PromptMessage | Mapping[str, Any]], **options: Any) -> Iterator[Delta]:
        """Ask from sync code: yield the deltas as they arrive. No database is involved.

        `messages` are prompt messages or `{"role", "content"}` mappings.
        """
        return self.answer(self.prompt(messages, options))

    def astream(self, messages: Iterable[PromptMessage | Mapping[str, Any]], **options: Any) -> AsyncIterator[Delta]:
        """Ask as `stream` does, from async code."""
        return self.deltas(self.prompt(messages, options))

    def answer(self, prompt: Prompt) -> Iterator[Delta]:
        """Yield the deltas of `deltas(prompt)` in sync code; its event loop runs in a thread of its own."""
        return bridge.iterate(lambda: self.deltas(prompt), self.disconnect)
