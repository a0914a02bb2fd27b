"""The native dialect: one SSE event for each event, with its cursor as `id` and one line of JSON."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Any

from converse_stream.dialects.base import SharedDialect
from converse_stream.events import TEXT_KINDS, Event, dumps


def payload(event: Event) -> dict[str, Any]:
    """Return the JSON of an event: `start`, the position it begins at, and what its kind carries."""
    if event.kind in TEXT_KINDS:
        return {"start": event.start, "text": event.data}
    return {"start": event.start, **event.data}


class NativeDialect(SharedDialect):
    """What our own clients speak."""

    name = "native"
    can_reset = True

    def frame(self, event: Event) -> bytes:
        """Return one SSE event. JSON keeps the data on one line, whatever the text."""
        if event.kind in TEXT_KINDS:  # nearly all there are: the same as below, written out
            data = f'{{"start":{event.start},"text":{encode_basestring(event.data)}}}'
        else:
            data = dumps(payload(event))
        return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()
