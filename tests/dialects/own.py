"""A dialect of a site's own."""

from converse_stream.dialects import SharedDialect, sse
from converse_stream.events import Event


class Shout(SharedDialect):
    def frame(self, event: Event) -> bytes:
        return sse(event.text.upper(), id=event.id) if event.text or event.is_ending else b""
