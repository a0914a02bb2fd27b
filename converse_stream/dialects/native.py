"""The native dialect: one SSE event for each event, with its cursor as `id` and one line of JSON."""

from __future__ import annotations

from typing import Any

from converse_stream.dialects.base import Dialect
from converse_stream.events import TEXT_KINDS, Event, dumps


def payload(event: Event) -> dict[str, Any]:
    """Return the JSON of an event: `start`, the position it begins at, and what its kind carries."""
    if event.kind in TEXT_KINDS:
        return {"start": event.start, "text": event.data}
    return {"start": event.start, **event.data}


class NativeDialect(Dialect):
    """What our own clients speak."""

    name = "native"

    def frame(self, event: Event) -> bytes:
        """Return one SSE event. JSON keeps the data on one line, whatever the text."""
        return f"id: {event.id}\nevent: {event.kind}\ndata: {dumps(payload(event))}\n\n".encode()
