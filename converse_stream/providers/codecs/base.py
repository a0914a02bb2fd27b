"""What a codec is: how one wire format asks, and how it reads the answer, whatever way the bytes were cut."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from converse_stream.events import Delta, Finish, Served, State, ToolCall, Usage
from converse_stream.exceptions import ProtocolError, ProviderError, Truncated
from converse_stream.outcome import FINISH_REASONS
from converse_stream.prompts import Prompt
from converse_stream.providers import errors
from converse_stream.providers.codecs.sse import MAX_EVENT_BYTES, ServerSentEvent, SSEDecoder
from converse_stream.providers.codecs.values import name, parsed


class Decoder(ABC):
    """Decode one answer incrementally.

    `feed` and `close` return the deltas there are. What went wrong is kept in `error`, so that no delta before it
    is lost: look at it after each call.
    """

    finish_reasons: ClassVar[Mapping[str, str]] = FINISH_REASONS
    """Our finish reason for each raw one, in lower case. Any other means stop, as the answer did end."""

    def __init__(self) -> None:
        self.error: ProviderError | None = None
        self.done = False
        """Whether the answer has ended: properly, or with `error`."""
        self.begun = False
        """Whether any of it has arrived, be it the first fragment of a tool call."""
        self.served = Served()
        self.request_id = ""
        """The id of the request outside the answer, in a header: it counts if the answer itself has none."""
        self.usage: Usage | None = None
        self._served_told = False
        self._called = False
        """Whether a tool call has been given."""

    def feed(self, data: bytes) -> list[Delta]:
        """Return the deltas that `data` completes."""
        return self._guarded(self._fed(data))

    def close(self) -> list[Delta]:
        """Return the last deltas when the body is over; a body without a proper ending sets `error`."""
        return self._guarded(self._closed())

    def whole(self, body: bytes) -> list[Delta]:
        """Return the deltas of an answer that was not streamed: the same as of one that was."""
        return self._guarded(self._whole(body))

    @abstractmethod
    def _fed(self, data: bytes) -> Iterator[Delta]:
        """Yield what `data` completes; raise a ProviderError for what went wrong. `_end` is the last thing."""

    @abstractmethod
    def _closed(self) -> Iterator[Delta]:
        """Yield what the end of the body completes. Raise Truncated where that is no proper ending."""

    @abstractmethod
    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        """Yield the deltas of a whole answer's JSON."""

    def _whole(self, body: bytes) -> Iterator[Delta]:
        payload = parsed(body)
        if errors.is_error(payload):
            raise errors.from_event(payload)
        if not isinstance(payload, dict):
            raise ProtocolError(f"an answer of {len(body)} bytes is no JSON object")
        yield from self._payload(payload)
        if not self.done:
            raise Truncated("the answer has no finish reason")

    def _guarded(self, deltas: Iterator[Delta]) -> list[Delta]:
        known: list[Delta] = []
        if self.done:
            return known
        try:
            for delta in deltas:
                known.append(delta)  # one by one: what came before an exception stays
                self._called = self._called or isinstance(delta, ToolCall)
        except ProviderError as error:
            error.status = error.status or 200
            self.error, self.done = error, True
        return known

    @property
    def _seed(self) -> str:
        """What makes ids for calls without one: the same however the bytes were cut, another for each answer."""
        return self.served.request_id or self.request_id

    def _serve(self, model: str, request_id: str) -> Iterator[Served]:
        """Learn who answers; yield it once the model is known."""
        self.served = Served(self.served.model or model, self.served.request_id or request_id)
        if self.served.model and not self._served_told:
            self._served_told = True
            yield self.served

    def _normalised(self, raw: str) -> str:
        """Return our finish reason for a raw one."""
        return self.finish_reasons.get(raw.lower(), "stop")

    def _end(self, raw: str, calls: Iterable[ToolCall | State] = (), *, refused: bool = False) -> Iterator[Delta]:
        """Yield what comes last: the calls that are not out yet, who answered, the usage and the Finish."""
        self.done = True
        yield from calls
        if self.request_id and not self.served.request_id:
            self.served, self._served_told = Served(self.served.model, name(self.request_id)), False
        if self.served.request_id and not self._served_told:
            yield self.served
        if self.usage:
            yield self.usage
        reason = self._normalised(raw)
        if reason == "stop" and (self._called or refused):
            reason = "tool_calls" if self._called else "content_filter"
        yield Finish(reason, raw)


class EventStreamDecoder(Decoder):
    """A decoder of server-sent events, each of which holds JSON."""

    terminators: ClassVar[frozenset[str]] = frozenset()
    """Data that is no JSON and ends the answer."""
    max_event_bytes: ClassVar[int] = MAX_EVENT_BYTES
    """How large one event may be."""

    def __init__(self) -> None:
        super().__init__()
        self._sse = SSEDecoder(max_event_bytes=self.max_event_bytes)
        self._torn = False
        """Whether the body ended in the middle of an event."""

    @abstractmethod
    def _event(self, event: ServerSentEvent) -> Iterator[Delta]:
        """Yield the deltas of one event."""

    @abstractmethod
    def _over(self) -> Iterator[Delta]:
        """Yield what is left when the body is over without having ended the answer, or raise Truncated."""

    def _fed(self, data: bytes) -> Iterator[Delta]:
        for event in self._sse.feed(data):
            yield from self._event(event)
            if self.done:
                return

    def _closed(self) -> Iterator[Delta]:
        for event in self._sse.close():
            if event.data.strip() in self.terminators or parsed(event.data) is not None:
                yield from self._event(event)
            else:
                self._torn = True
        if self.done:
            return
        # Some servers send an error as bare JSON into a stream that they had announced as events.
        stray = parsed(self._sse.stray)
        if errors.is_error(stray):
            raise errors.from_event(stray)
        yield from self._over()


class Codec(ABC):
    """One wire format, as one server speaks it."""

    decoder: ClassVar[type[Decoder]]
    options: ClassVar[frozenset[str]]
    """The options it can ask for, of those in providers.options."""
    reasoning_options: ClassVar[frozenset[str] | None] = None
    """What `reasoning` as a mapping may hold besides `effort`; None where the server has an object for it."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    @abstractmethod
    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return where a request goes, beneath the base URL."""

    @abstractmethod
    def body(self, prompt: Prompt, *, stream: bool) -> dict[str, Any]:
        """Return the JSON of a request. Raise BadRequest for what cannot be asked."""
