"""What a dialect is: events in, the bytes of one wire format out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from converse_stream.events import Event


class Dialect(ABC):
    """A wire format. It holds no state and knows no transport."""

    name: str
    content_type = "text/event-stream; charset=utf-8"
    heartbeat = b":\n"
    """Sent when there was nothing else to send for a while."""

    def prelude(self, retry: int) -> bytes:
        """Return what a response begins with, a field of its first event; `retry` is in milliseconds."""
        return f"retry: {retry}\n".encode()

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the bytes of these events. Each event is encoded once, for all viewers."""
        return b"".join([event.frames.get(self.name) or self._remember(event) for event in events])

    def _remember(self, event: Event) -> bytes:
        frame = event.frames[self.name] = self.frame(event)
        return frame

    @abstractmethod
    def frame(self, event: Event) -> bytes:
        """Return the bytes of one event."""
