"""Output: where an answer goes while it is being given: to a callback, to a file, or to both."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

OnChunk: TypeAlias = Callable[[str, str], Awaitable[object] | object]
"""Called with each piece of text, and all the text so far. From async code it may be async itself."""


class Writable(Protocol):
    """A file, a terminal, a response: what takes text at once."""

    def write(self, text: str, /) -> object:
        """Take a piece of text."""

    def flush(self) -> object:
        """Let it out."""


class Output:
    """What gets the text of one answer, piece by piece. Falsy where nobody does.

    Raise TypeError for what can be neither called nor written to.
    """

    def __init__(self, on_chunk: OnChunk | None = None, to: Writable | None = None) -> None:
        if on_chunk is not None and not callable(on_chunk):
            raise TypeError(f"on_chunk must be callable, not {type(on_chunk).__name__}")
        if to is not None and not (callable(getattr(to, "write", None)) and callable(getattr(to, "flush", None))):
            raise TypeError(f"to must have the methods write and flush; {type(to).__name__} has not")
        self._on_chunk = on_chunk
        self._to = to
        self._full = ""

    def __bool__(self) -> bool:
        return self._on_chunk is not None or self._to is not None

    def check_sync(self) -> None:
        """Raise TypeError for an async callback, which sync code cannot await."""
        if inspect.iscoroutinefunction(self._on_chunk):
            raise TypeError("on_chunk is async: it can be called from async code only")

    def say(self, text: str) -> None:
        """Hand out a piece of text. What the callback or the file raises is raised."""
        self._tell(text)

    async def asay(self, text: str) -> None:
        """Hand out a piece of text, and await the callback if it is async."""
        told = self._tell(text)
        if inspect.isawaitable(told):
            await told

    def _tell(self, text: str) -> object:
        if not text:
            return None
        if self._to is not None:
            self._to.write(text)
            self._to.flush()
        if self._on_chunk is None:
            return None
        self._full += text
        return self._on_chunk(text, self._full)
