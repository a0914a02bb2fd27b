"""EventStreamResponse: follow a message over HTTP, from any kind of view, under any server."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest

from converse_stream.dialects import Dialect, get_dialect
from converse_stream.feed import parse
from converse_stream.models import Message
from converse_stream.responses.body import Body
from converse_stream.responses.hybrid import HybridResponse

HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    # GZipMiddleware leaves alone what has an encoding already.
    "Content-Encoding": "identity",
}


class EventStreamResponse(HybridResponse):
    """An HTTP response that follows a message. Nothing durable hangs on it: it may end at any moment.

    `on_disconnect="cancel"` stops the answer when its viewer leaves before the ending; by default the answer goes on.
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
    ) -> None:
        check_policy(on_disconnect)
        spoken = get_dialect(dialect)
        self.message = message
        """The message that is followed."""
        body = Body(message, parse(after, str(message.pk)), spoken, on_disconnect)
        headers = {**HEADERS, **spoken.headers}
        super().__init__(body, request=request, content_type=spoken.content_type, headers=headers)
        cast(Any, self)._resource_closers.append(body.close)


def check_policy(on_disconnect: str) -> None:
    """Raise ValueError for a word that `on_disconnect` does not know."""
    if on_disconnect not in ("continue", "cancel"):
        raise ValueError(f"on_disconnect must be 'continue' or 'cancel', not {on_disconnect!r}")
