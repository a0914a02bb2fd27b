"""A dialect of the example's own: the answer as HTML, for pages that swap in what they are sent."""

from html import escape

from converse_stream.dialects.base import SharedDialect
from converse_stream.events import ENDINGS, TEXT_KINDS, Event


class Fragments(SharedDialect):
    """Text as escaped HTML in events without a name, which htmx appends; an event `done` at the end."""

    name = "fragments"

    def frame(self, event: Event) -> bytes:
        if event.kind in TEXT_KINDS:
            return _fragment(event, f'<span class="{event.kind}-words">{_escaped(event.data)}</span>')
        if event.kind in ENDINGS:
            error = event.data.get("error")
            told = error["message"] if error else {"cancelled": "Stopped."}.get(event.kind, "")
            note = _fragment(event, f'<em class="note">{_escaped(told)}</em>') if told else b""
            gone = _fragment(event, f'<button id="stop-{event.message_id}" hx-swap-oob="delete"></button>')
            return note + gone + f"id: {event.id}\nevent: done\ndata:\n\n".encode()
        # It has no word for replacing what was sent: the page is to be loaded anew.
        return b"event: done\ndata:\n\n" if event.kind == "reset" else b""


def _escaped(text: str) -> str:
    # A bare carriage return would end a line of the event stream.
    return escape(text).replace("\r", "&#13;")


def _fragment(event: Event, html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.split("\n"))
    return f"id: {event.id}\n{lines}\n".encode()
