"""What a dialect is: events in, the bytes of one wire format out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from json import JSONEncoder
from typing import Protocol

from converse_stream.events import Event

to_json = JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
"""JSON on one line, in ASCII: some clients break lines at U+2028 or U+0085."""


class Encoder(Protocol):
    """Encodes the events of one viewer, in their order."""

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the bytes of these events."""


class Dialect(ABC):
    """A wire format. It holds no state of a viewer's and knows no transport."""

    name: str
    """What `?dialect=` says; of a site's own dialect, its key in DIALECTS."""
    content_type = "text/event-stream; charset=utf-8"
    headers: Mapping[str, str] = {}
    """What its clients look for in a response, beside the headers of every stream."""
    heartbeat = b":\n"
    """Sent when there was nothing else to send for a while; empty where the format has no room for it."""
    has_cursors = True
    """Whether events carry cursors, so that a client comes back with one and gets the rest.

    A viewer of any other dialect always gets the message from its start, and its response lasts until the ending:
    these clients take the end of a response for the end of the answer.
    """
    can_reset = False
    """Whether a client can be told to replace what it has. Others are told, by `reset`'s frame, to give up."""

    def prelude(self, retry: int) -> bytes:
        """Return what a response begins with, a field of its first event; `retry` is in milliseconds."""
        return f"retry: {retry}\n".encode() if self.has_cursors else b""

    def reads_from(self, position: int) -> int:
        """Return the position from which a viewer at `position` has to be given events."""
        return position if self.has_cursors else 0

    @abstractmethod
    def encoder(self, position: int = 0) -> Encoder:
        """Return what encodes the events of a viewer that has seen everything before `position`."""


class SharedDialect(Dialect):
    """A format in which the bytes of an event are the same for everybody."""

    def encoder(self, position: int = 0) -> Encoder:
        """Return the dialect itself, for all viewers."""
        return self

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the bytes of these events. Each event is encoded once, for all viewers."""
        return b"".join([self._framed(event) for event in events])

    def _framed(self, event: Event) -> bytes:
        frame = event.frames.get(self.name)
        if frame is None:
            frame = event.frames[self.name] = self.frame(event)
        return frame

    @abstractmethod
    def frame(self, event: Event) -> bytes:
        """Return the bytes of one event; empty where the format has no word for it."""


def sse(data: str, *, event: str = "", id: str = "") -> bytes:
    """Return a server-sent event; `data` is one line."""
    head = f"id: {id}\n" if id else ""
    name = f"event: {event}\n" if event else ""
    return f"{head}{name}data: {data}\n\n".encode()
