"""EventStreamResponse: follow a message over HTTP, from any kind of view, under any server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from converse_stream.dialects import Dialect, get_dialect
from converse_stream.feed import parse
from converse_stream.models import Conversation, Message
from converse_stream.responses.body import Body
from converse_stream.responses.viewed import ViewedResponse
from converse_stream.transforms import Transform
from converse_stream.transforms.base import checked

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    # GZipMiddleware leaves alone what has an encoding already.
    "Content-Encoding": "identity",
}


class EventStreamResponse(ViewedResponse):
    """An HTTP response that follows a message. Nothing durable hangs on it: it may end at any moment.

    `on_disconnect="cancel"` stops the answer when its viewer leaves before the ending; by default the answer goes on.
    `through` holds transforms for this viewer.
    Raise MalformedCursor or UnknownDialect.
    """

    def __init__(
        self,
        message: Message,
        *,
        after: int | str = 0,
        dialect: str | Dialect = "native",
        on_disconnect: str = "continue",
        request: HttpRequest | None = None,
        through: Sequence[Transform] = (),
    ) -> None:
        check_policy(on_disconnect)
        checked(through, for_viewer=True)
        spoken = get_dialect(dialect)
        self.message = message
        """The message that is followed."""
        body = Body(message, parse(after, str(message.pk)), spoken, on_disconnect, through)
        headers = {**HEADERS, **spoken.headers}
        super().__init__(body, request=request, content_type=spoken.content_type, headers=headers)

    def viewed(self) -> tuple[str, Any]:
        """Return the conversation that is followed, and its owner."""
        message, known = self.message, Message._meta.get_field("conversation")
        if known.is_cached(message):
            return str(message.conversation_id), message.conversation.owner_id
        owners = Conversation.objects.filter(pk=message.conversation_id).values_list("owner_id", flat=True)
        return str(message.conversation_id), owners.first()


def check_policy(on_disconnect: str) -> None:
    """Raise ValueError for a word that `on_disconnect` does not know."""
    if on_disconnect not in ("continue", "cancel"):
        raise ValueError(f"on_disconnect must be 'continue' or 'cancel', not {on_disconnect!r}")
