"""What the streams of other libraries yield and raise, as deltas and as our errors.

The events of OpenAI's and Anthropic's own libraries, objects or mappings, hold what came over the wire. They are given
to the decoders that read the wire, so an answer means the same on either way. Libraries that speak OpenAI's chunks
(LiteLLM, Groq's and others) are understood by the same means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from converse_stream.events import Delta, to_delta
from converse_stream.exceptions import ConnectionFailed, ProviderError, ProviderTimeout, Truncated
from converse_stream.providers import errors
from converse_stream.providers.codecs.base import Decoder
from converse_stream.providers.codecs.chat import ChatDecoder
from converse_stream.providers.codecs.messages import MessagesDecoder
from converse_stream.providers.codecs.responses import ResponsesDecoder

_MESSAGES = frozenset(
    {
        *("message_start", "message_delta", "message_stop", "ping"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    }
)
_LIBRARIES = frozenset({"openai", "anthropic"})
_NETWORK = frozenset({"httpx", "httpx2"})
"""What these libraries read the network with; some of its errors come through."""
_ERRORS: Mapping[str, type[ProviderError]] = {
    "APITimeoutError": ProviderTimeout,
    "APIConnectionError": ConnectionFailed,
    "TimeoutException": ProviderTimeout,
    "RemoteProtocolError": Truncated,
    "RequestError": ConnectionFailed,
}
"""Our error for one of theirs, by the names of its classes, the most special first."""


class Foreign:
    """Reads one source: `deltas` of each item, and `rest` at its end. As a context it translates what is raised."""

    def __init__(self) -> None:
        self._decoder: Decoder | None = None

    def deltas(self, item: Any) -> Iterable[Delta]:
        """Return an item's deltas. Raise TypeError for what nobody knows, and the error that an event tells."""
        if isinstance(item, str):
            return (to_delta(item),)
        if _get(item, "type") == "chunk" and _library(item) in _LIBRARIES:
            item = item.chunk  # of OpenAI's helper, which yields it beside what it makes of it
        kind = _decoder_of(item)
        if kind is None:
            return () if _is_told_twice(item) else (to_delta(item),)
        self._decoder = self._decoder or kind()
        wire = json.dumps(item) if isinstance(item, Mapping) else _wire(item)
        return _checked(self._decoder, self._decoder.feed(f"data: {wire}\n\n".encode()))

    def rest(self) -> Iterable[Delta]:
        """Return what the end of the source completes. Raise Truncated where it is no proper ending."""
        if self._decoder is None or self._decoder.done:
            return ()
        return _checked(self._decoder, self._decoder.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        translated = _translated(error, streams=self._decoder is not None)
        if translated is not None:
            raise translated from error


def holds_connection(source: object) -> bool:
    """Return whether a source is the stream of such a library, whose connection is to be closed by its own method."""
    return hasattr(source, "close") and hasattr(getattr(source, "response", None), "aclose")


def _checked(decoder: Decoder, deltas: Iterable[Delta]) -> Iterator[Delta]:
    yield from deltas
    if decoder.error is not None:
        raise decoder.error


def _decoder_of(item: object) -> type[Decoder] | None:
    """Return what reads such an item; None for one that is no event of the wire."""
    if not isinstance(item, Mapping) and not hasattr(item, "model_dump_json"):
        return None
    # Not by its `object`, which Azure's first chunk and some gateways leave out.
    if isinstance(_get(item, "choices"), list):
        return ChatDecoder
    kind = _get(item, "type")
    if not isinstance(kind, str):
        return None
    if kind in _MESSAGES:
        return MessagesDecoder
    return ResponsesDecoder if kind.startswith("response.") else None


def _is_told_twice(item: object) -> bool:
    """Return whether an item is of those that a library adds to the events of the wire, for convenience."""
    return _library(item) in _LIBRARIES


def _wire(item: Any) -> str:
    wire: str = item.model_dump_json(exclude_unset=True, warnings=False)
    return wire


def _library(made: object) -> str:
    return type(made).__module__.partition(".")[0]


def _get(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def _translated(error: BaseException | None, *, streams: bool) -> ProviderError | None:
    """Return our error for one of theirs, or for one of the network while one of their streams was read."""
    if _library(error) not in (_LIBRARIES | _NETWORK if streams else _LIBRARIES):
        return None
    for kind in type(error).__mro__:
        if kind.__name__ in _ERRORS:
            return _ERRORS[kind.__name__](f"the library raised {type(error).__name__}")
    body, status = getattr(error, "body", None), getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        told = getattr(getattr(error, "response", None), "headers", {})
        headers = {name.lower(): value for name, value in told.items()}
        return errors.from_response(status, headers, json.dumps(body).encode())
    if isinstance(body, Mapping):
        return errors.from_event(body if errors.is_error(body) else {"error": body})
    return None
