"""Events as frames: the native dialect's objects, or, one frame for each piece, what another dialect would send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from converse_stream.dialects import Dialect, get_dialect, payload
from converse_stream.events import Event, dumps
from converse_stream.feed import AFTER_ENDING, Update
from converse_stream.providers.codecs.sse import SSEDecoder
from converse_stream.responses.updates import to_json


class FrameEncoder:
    """Encodes the events of one follow. Raise UnknownDialect."""

    def __init__(self, message_id: str, dialect: str, position: int) -> None:
        self._dialect = get_dialect(dialect)
        self._is_native = self._dialect.name == "native"
        self._message_id = message_id
        self._encoder = self._dialect.encoder(position)
        self._has_given_up = False
        """Whether the client was told, in a dialect that knows no reset, that its cursor is none."""
        read_from = self._dialect.reads_from(position)
        self.after = f"{message_id}.{'end' if read_from == AFTER_ENDING else read_from}"
        """The cursor from which on it has to be given events."""

    def encode(self, events: Iterable[Event]) -> Iterator[str]:
        """Yield the frames of these events."""
        if self._is_native:
            yield from map(native, events)
            return
        for event in events:
            if self._has_given_up:
                return
            self._has_given_up = event.kind == "reset" and not self._dialect.can_reset
            frame = {"type": "frame", "message": self._message_id, "id": event.id}
            for name, data in _pieces(self._dialect, self._encoder.encode([event])):
                yield dumps(frame | {"event": name, "data": data})


def native(event: Event) -> str:
    """Return an event as a frame, encoded once for all sockets."""
    if "websocket" not in event.frames:
        frame = payload(event)
        if "id" in frame:
            frame["call_id"] = frame["id"]
        event.frames["websocket"] = dumps(frame | {"type": event.kind, "id": event.id}).encode()
    return event.frames["websocket"].decode()


def watched(conversation_id: str, updates: Iterable[Update]) -> Iterator[str]:
    """Yield each update of a conversation as a frame."""
    for update in updates:
        yield f'{{"id":"{update.cursor}",{to_json(conversation_id, update.event)[1:]}'


def _pieces(dialect: Dialect, data: bytes) -> list[tuple[str, str]]:
    """Return what the bytes of a response would tell its client: events by name and data, or text as it is."""
    if not dialect.content_type.startswith("text/event-stream"):
        return [("", data.decode())] if data else []
    return [(sent.event, sent.data) for sent in SSEDecoder(max_event_bytes=len(data) + 1).feed(data)]
