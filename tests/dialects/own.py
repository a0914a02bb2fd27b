"""A dialect of a site's own."""

from converse_stream.dialects import SharedDialect, sse
from converse_stream.events import Event


class Shout(SharedDialect):
    def frame(self, event: Event) -> bytes:
        said = "[END]" if event.is_ending else event.text.upper()
        return sse(said, id=event.id) if said else b""
