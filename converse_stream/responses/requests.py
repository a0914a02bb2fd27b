"""Ask and follow over HTTP: what views call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from converse_stream.asking import ask
from converse_stream.dialects import get_dialect
from converse_stream.exceptions import MalformedCursor, UnknownDialect
from converse_stream.feed import AFTER_ENDING, get_feed, parse
from converse_stream.models import Conversation, Message
from converse_stream.rendering import PromptTemplate
from converse_stream.responses.refusals import error_body
from converse_stream.responses.response import EventStreamResponse, check_policy
from converse_stream.transforms import Transform
from converse_stream.transforms.base import checked


def stream_response(
    conversation: Conversation,
    prompt: str | PromptTemplate | None = None,
    *,
    dialect: str = "native",
    on_disconnect: str = "continue",
    request: HttpRequest | None = None,
    through: Sequence[Transform] = (),
    **options: Any,
) -> EventStreamResponse:
    """Ask and follow; see Conversation.stream_response."""
    get_dialect(dialect)
    check_policy(on_disconnect)
    checked(through, for_viewer=True)
    message = ask(conversation, prompt, **options)
    # What waits for its transaction is not there yet for whoever looks, and would be taken for deleted.
    if message.is_live and not message.is_replay and not message.starts_on_commit:
        get_feed().expect(str(message.pk))
    return EventStreamResponse(message, dialect=dialect, on_disconnect=on_disconnect, request=request, through=through)


astream_response = sync_to_async(stream_response)


def follow_response(request: HttpRequest, message: Message) -> HttpResponseBase:
    """Answer a GET that follows a message.

    The cursor is the header Last-Event-ID, which a browser's EventSource sends when it comes back, or `?after=`,
    the format `?dialect=`, or `text` for a client that accepts nothing but plain text. 204 when the cursor is behind
    the ending, 400 for a cursor or dialect that is none.
    """
    query: Mapping[str, str] = request.GET
    after = request.headers.get("Last-Event-ID") or query.get("after") or "0"
    try:
        position = parse(after, str(message.pk))
        if position == AFTER_ENDING and not message.is_live:
            return HttpResponse(status=204)
        dialect = query.get("dialect") or _accepted(request)
        return EventStreamResponse(message, after=after, dialect=dialect, request=request)
    except (MalformedCursor, UnknownDialect) as error:
        return JsonResponse(error_body(error), status=400)


def _accepted(request: HttpRequest) -> str:
    """Return the dialect that a request's Accept leaves no doubt of."""
    types = {f"{accepted.main_type}/{accepted.sub_type}" for accepted in request.accepted_types}
    return "text" if types == {"text/plain"} else "native"
