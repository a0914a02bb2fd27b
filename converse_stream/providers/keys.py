"""API keys: where they come from, and how they stay out of every log, error and row."""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from converse_stream.exceptions import AuthenticationFailed, ProviderError

KeySource: TypeAlias = str | Callable[[], Any] | None
"""A key, a callable that returns one (or an awaitable of one), or None for the environment variable."""

_SHORTEST = 8
"""A shorter text is no secret: many keys begin with as much, and the words of a message would be taken for it."""


class Secret:
    """A text that is sent but shown nowhere: tracebacks with local variables end up in logs."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret('…')" if self._text else "Secret('')"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __add__(self, suffix: str) -> "Secret":
        return Secret(self._text + suffix)

    def __radd__(self, prefix: str) -> "Secret":
        return Secret(prefix + self._text)

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def hide(self, text: str) -> str:
        """Return `text` without this secret in it, nor a beginning of it: what servers say is cut to a length."""
        for length in range(len(self._text), _SHORTEST - 1, -1):
            text = text.replace(self._text[:length], "[key]")
        return text


async def find(source: KeySource, environment: str = "") -> Secret:
    """Return the key of `source`, else of the environment variable; an empty one if there is none.

    Raise AuthenticationFailed for a key that no header can carry.
    """
    key = source() if callable(source) else source
    if inspect.isawaitable(key):
        key = await key
    if key is None and environment:
        key = os.environ.get(environment)
    return _checked(str(key or "").strip())


def _checked(key: str) -> Secret:
    # Refused here, where the message can leave it out: an HTTP library quotes the header it cannot send.
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise AuthenticationFailed("the API key contains characters that no key has; was more than the key copied?")
    return Secret(key)


@contextmanager
def redacted(*secrets: Secret) -> Iterator[None]:
    """Take `secrets` out of the provider errors raised inside: some servers repeat the key they refuse."""
    try:
        yield
    except ProviderError as error:
        for secret in secrets:
            error.args = tuple(secret.hide(str(argument)) for argument in error.args)
            error.request_id = secret.hide(error.request_id)
        raise
