"""Plain text: the answer and nothing else. For curl, and for the wiki's front end, which reads it the same way."""

from __future__ import annotations

from converse_stream.dialects.base import SharedDialect
from converse_stream.events import Event


class TextDialect(SharedDialect):
    """The text as it is. An answer that fails ends with a line that says so: plain text has no other way."""

    name = "text"
    content_type = "text/plain; charset=utf-8"
    heartbeat = b""
    has_cursors = False

    def frame(self, event: Event) -> bytes:
        """Return the text of a text event, the sentence of a failure, and nothing for the rest."""
        if event.kind == "failed":
            return f"\n\n[{event.data['error']['message']}]\n".encode()
        return event.text.encode()


class WikiDialect(TextDialect):
    """The format of the wiki's streaming adapters: raw text, flushed as it comes."""

    name = "wiki"
