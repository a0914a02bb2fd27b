"""What each path does, as the schema describes it: what is sent, and everything that may come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from converse_stream.api import conversations, described, events, exports, messages, serializers, streams, usage
from converse_stream.api.base import SSE
from converse_stream.api.formats import FORMATS
from converse_stream.dialects import BUILT_IN
from converse_stream.events import CONTENT_KINDS, ENDINGS

JSON = "application/json"
ANYTHING = {"type": "object", "additionalProperties": {}}
REFUSALS: Mapping[int, tuple[Any, str]] = {
    400: (ANYTHING, "What was sent makes no sense: an error with a code, or each field with what is wrong with it."),
    401: (described.Refusal, "Nobody is signed in."),
    403: (described.Refusal, "Nobody is signed in, or the CSRF token is missing."),
    404: (described.Refusal, "There is no such thing, or it is somebody else's."),
    409: (described.Error, "Another answer of this conversation is still being written: live_message."),
    413: (described.Error, "What was sent is too large."),
    415: (described.Refusal, "The body is of a type that nobody parses."),
    422: (described.Error, "The Idempotency-Key came before with another body."),
    503: (described.Error, "The site has as many live answers as it may, or the database is away; see Retry-After."),
    429: (ANYTHING, "Too many requests, live answers or viewers; Retry-After says when to come again."),
}
ALWAYS = (401, 403, 429, 503)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str
    """Unique in the document."""
    summary: str
    ok: Mapping[Any, Any]
    """What comes back when all is well, by status, or by status and media type."""
    refusals: Sequence[int] = ()
    """The statuses of what else comes back, beside those of every path."""
    body: Any = None
    """The serializer of what is sent."""
    parameters: Sequence[OpenApiParameter] = field(default=())
    description: str = ""
    """More than the summary, where there is more to say."""

    @property
    def responses(self) -> dict[Any, Any]:
        """Everything that may come back."""
        found: dict[Any, Any] = dict(self.ok)
        for status in sorted({*ALWAYS, *self.refusals}):
            found[status, JSON] = OpenApiResponse(*REFUSALS[status])
        if 404 in self.refusals:
            # What is not even an id leads to no view of ours.
            found[404, "text/html"] = OpenApiTypes.STR
        return found


def _query(name: str, description: str, type: Any) -> OpenApiParameter:
    return OpenApiParameter(name, type, OpenApiParameter.QUERY, description=description)


def _header(name: str, description: str, type: Any = str, **options: Any) -> OpenApiParameter:
    return OpenApiParameter(name, type, OpenApiParameter.HEADER, description=description, **options)


def _ordering(*names: str) -> OpenApiParameter:
    known = [sign + name for name in names for sign in ("", "-")]
    return _query("ordering", "What to sort by; `-` turns it round.", {"type": "string", "enum": known})


def _asks(name: str, summary: str, body: Any) -> Operation:
    started: dict[Any, Any] = {**TEXT, (202, JSON): described.Accepted}
    return Operation(name, summary, started, (400, 404, 409, 413, 415, 422), body, (KEY, REPLAYED, LOCATION, DIALECT))


KINDS = ("start", *sorted(CONTENT_KINDS), "reset", *sorted(ENDINGS))
EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "a cursor"},
        "event": {"type": "string"},
        "data": {"type": "string", "description": "JSON on one line; in some dialects text"},
        "retry": {"type": "integer"},
    },
}
UPDATE = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "a cursor of the conversation: all that its viewer has by now"},
        "event": {"type": "string", "enum": ["conversation", "message", *KINDS, "gone"]},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "description": "JSON on one line: what the event says, with `type`, `conversation` and `message_id`",
        },
        "retry": {"type": "integer"},
    },
}
TEXT = {(200, SSE): EVENT, (200, "text/plain"): OpenApiTypes.STR}
FOLLOWED: Mapping[Any, Any] = {**TEXT, 204: None}
KEY = _header(
    "Idempotency-Key",
    "Makes the request safe to repeat.",
    {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "maxLength": 255},
)
REPLAYED = _header("Idempotent-Replayed", "`true` where nothing was started.", response=[202])
LOCATION = _header("Location", "Where the answer is followed.", response=[202])
DIALECT = _query("dialect", "The wire format.", {"type": "string", "enum": [*BUILT_IN], "default": "native"})
CURSOR = (
    _query("after", "The cursor to continue behind: a position, or `<message id>.<position>`.", str),
    _header("Last-Event-ID", "A cursor; it wins over `after`."),
)
WATCHING = (
    _query("after", "The cursor to continue behind: that of an update, or the number of a message.", str),
    _header("Last-Event-ID", "A cursor; it wins over `after`."),
)
TICKET = _query("ticket", "A ticket, in place of any other authentication.", str)
PAGE = (
    _query("cursor", "Where the page begins; `next` and `previous` of another page hold it.", str),
    _query("page_size", "How many rows a page has.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}),
)
FINDING = (
    _ordering("created_at", "updated_at"),
    _query("search", "Words in a title, a question or an answer.", {"type": "string", "maxLength": 100}),
    _query("deleted", "Whether it is the deleted ones that are listed.", bool),
)
FORM = _query("as", "The form.", {"type": "string", "enum": [*FORMATS], "default": "json"})
DAYS = (_query("since", "The first day.", OpenApiTypes.DATE), _query("until", "The last day.", OpenApiTypes.DATE))

CONVERSATION, MESSAGE = described.Conversation, described.Message
OPERATIONS: Mapping[tuple[type, str], Operation] = {
    (conversations.ConversationList, "GET"): Operation(
        "conversations_list",
        "List conversations",
        {200: described.ConversationPage},
        (400, 404),
        parameters=(*PAGE, *FINDING),
    ),
    (conversations.ConversationList, "POST"): Operation(
        "conversations_open",
        "Open a conversation",
        {201: CONVERSATION},
        (400, 413, 415),
        serializers.ConversationSerializer,
    ),
    (conversations.ConversationDetail, "GET"): Operation(
        "conversations_show", "Show a conversation", {200: CONVERSATION}, (404,)
    ),
    (conversations.ConversationDetail, "PATCH"): Operation(
        "conversations_change",
        "Change a conversation",
        {200: CONVERSATION},
        (400, 404, 413, 415),
        serializers.ConversationSerializer,
    ),
    (conversations.ConversationDetail, "DELETE"): Operation(
        "conversations_delete", "Delete a conversation", {204: None}, (404,)
    ),
    (conversations.ConversationRestore, "POST"): Operation(
        "conversations_restore", "Restore a conversation", {200: CONVERSATION}, (404,)
    ),
    (streams.ConversationStream, "GET"): Operation(
        "conversations_follow", "Follow the live answer", FOLLOWED, (400, 404), parameters=(*CURSOR, DIALECT)
    ),
    (events.ConversationEvents, "GET"): Operation(
        "conversations_watch",
        "Watch a conversation",
        {(200, SSE): OpenApiResponse(UPDATE, "Updates, without end: the client comes back with the last `id`.")},
        (400, 404),
        parameters=WATCHING,
        description="What happens in a conversation, in whatever tab or process: its title, new messages, answers as "
        "they are written, and their endings. Without a cursor it begins with all that is there.",
    ),
    (exports.ConversationExport, "GET"): Operation(
        "conversations_export",
        "Download a conversation",
        {
            (200, JSON): {"oneOf": [ANYTHING, {"type": "array", "items": ANYTHING}]},
            (200, "text/markdown"): OpenApiTypes.STR,
        },
        (400, 404),
        parameters=(FORM,),
    ),
    (messages.MessageList, "GET"): Operation(
        "messages_list",
        "List messages",
        {200: described.MessagePage},
        (400, 404),
        parameters=(*PAGE, _ordering("number")),
    ),
    (messages.MessageList, "POST"): _asks("messages_ask", "Ask", serializers.QuestionSerializer),
    (messages.MessageDetail, "GET"): Operation("messages_show", "Show a message", {200: MESSAGE}, (404,)),
    (streams.MessageStream, "GET"): Operation(
        "messages_follow", "Follow a message", FOLLOWED, (400, 404), parameters=(*CURSOR, DIALECT, TICKET)
    ),
    (messages.MessageCancel, "POST"): Operation("messages_cancel", "Stop a message", {200: MESSAGE}, (404,)),
    (messages.MessageRetry, "POST"): _asks("messages_retry", "Try an answer again", serializers.RetrySerializer),
    (messages.MessageRegenerate, "POST"): _asks(
        "messages_regenerate", "Answer a question once more", serializers.RegenerateSerializer
    ),
    (messages.MessageEdit, "POST"): _asks("messages_edit", "Ask in other words", serializers.EditSerializer),
    (streams.MessageTicket, "POST"): Operation("messages_ticket", "Issue a ticket", {200: described.Ticket}, (404,)),
    (usage.Usage, "GET"): Operation("usage", "Show usage", {200: described.UsageFigures}, (400,), parameters=DAYS),
}
"""What there is to describe. A view that is not here is not in the document."""
