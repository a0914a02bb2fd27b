"""What goes over the socket: requests of the client, each a JSON object in text, and what they are answered with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _

from converse_stream.cleaning import clean_text
from converse_stream.conf import settings
from converse_stream.consumers.codes import Closing
from converse_stream.events import dumps
from converse_stream.exceptions import (
    ConversationBusy,
    ConverseError,
    GenerationError,
    StoreUnavailable,
    TooManyRequests,
)
from converse_stream.models import Conversation

SMALL = 16_384
"""Bytes that a frame may have beside a question's words."""
LONGEST_ID = 64
LARGEST_ID = 2**53
_FIELDS: Mapping[str, frozenset[str]] = {
    "ping": frozenset(),
    "follow": frozenset({"message", "after", "dialect"}),
    "unfollow": frozenset({"message"}),
    "watch": frozenset({"conversation", "after"}),
    "unwatch": frozenset({"conversation"}),
    "ask": frozenset({"conversation", "content", "model", "options", "interrupt", "client_key"}),
    "retry": frozenset({"message", "interrupt", "client_key"}),
    "regenerate": frozenset({"message", "model", "options", "interrupt", "client_key"}),
    "cancel": frozenset({"message"}),
}
ACTIONS = frozenset(_FIELDS)
_STARTING = frozenset({"ask", "retry", "regenerate"})
"""What is about to cost something: here a field that nobody knows is refused, as it is over REST."""


class Refusal(Exception):
    """A client's frame that cannot be served: a code, and a sentence for the public."""

    def __init__(self, code: str, message: str, closing: Closing | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.closing = closing
        """What the socket is closed with once the client has been told; None keeps it open."""
        self.live_message: str | None = None
        """The answer that is in the way, if it is one."""
        self.retry_after: int | None = None
        """Seconds after which it makes sense to ask again, where that is known."""

    @classmethod
    def of(cls, error: Exception) -> Refusal | None:
        """Return the refusal that tells a client about an error, or None for a fault of ours."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, ObjectDoesNotExist):
            return not_found("conversation" if isinstance(error, Conversation.DoesNotExist) else "message")
        if isinstance(error, OperationalError | InterfaceError):
            return cls(StoreUnavailable.code, _("The site is busy. Please try again soon."))
        if isinstance(error, ConverseError) and not isinstance(error, GenerationError):
            refusal = cls(error.code, str(error.public))
            if isinstance(error, ConversationBusy) and error.live_message:
                refusal.live_message = str(error.live_message)
            if isinstance(error, TooManyRequests):
                refusal.retry_after = error.retry_after
            return refusal
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """One frame of the client."""

    kind: str
    """One of ACTIONS."""
    fields: Mapping[str, Any]
    id: str | int | None = None
    """The client's own name for it, echoed in the reply or the error."""

    @property
    def frame(self) -> dict[str, Any]:
        """The frame it came as."""
        return {**self.fields, "type": self.kind, "id": self.id}

    @property
    def asked(self) -> dict[str, str]:
        """What a reply or an error repeats of it."""
        return asked(self.frame)

    @property
    def subject(self) -> str:
        """What it is about: a message or a conversation."""
        return "conversation" if "conversation" in _FIELDS[self.kind] else "message"

    @property
    def about(self) -> str:
        """The id, in its one spelling, of the message or conversation it is about. Raise Refusal."""
        given = self.fields.get(self.subject)
        if not isinstance(given, str):
            raise Refusal("bad_request", _("A frame needs the id of what it is about."))
        try:
            return str(UUID(given))
        except ValueError as error:
            raise not_found(self.subject) from error

    def text(self, name: str) -> str | None:
        """Return a field that is text, or None where it is left out. Raise Refusal."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise Refusal("bad_request", _("The field %(name)s must be text.") % {"name": name})
        return value

    def flag(self, name: str) -> bool | None:
        """Return a field that is true or false, or None where it is left out. Raise Refusal."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise Refusal("bad_request", _("The field %(name)s must be true or false.") % {"name": name})
        return value


def largest_frame() -> int:
    """Return the bytes a client's frame may have: room for the longest question, however its JSON is escaped."""
    return SMALL + 6 * int(settings.MAX_PROMPT_CHARS)


def size(text: str | None, data: bytes | None) -> int:
    """Return the bytes of a frame."""
    if text is None:
        return len(data or b"")
    return len(text) if len(text) > largest_frame() else len(text.encode("utf-8", "replace"))


def parse(text: str | None) -> Any:
    """Return the JSON of a frame. Raise Refusal."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise Refusal("bad_json", _("A frame must be a JSON object in text.")) from error


def to_request(frame: Any) -> Request:
    """Return what a frame asks for. Raise Refusal."""
    if not isinstance(frame, dict):
        raise Refusal("bad_request", _("A frame must be a JSON object in text."))
    kind, fields = frame.get("type"), {key: value for key, value in frame.items() if key not in ("type", "id")}
    if not isinstance(kind, str) or kind not in ACTIONS:
        raise Refusal("bad_request", _("A frame needs a known type."))
    if frame.get("id") is not None and echo(frame) is None:
        raise Refusal("bad_request", _("An id is a text of at most 64 characters or a whole number."))
    if kind in _STARTING and not _FIELDS[kind].issuperset(fields):
        raise Refusal("bad_request", _("A frame has a field that is not known."))
    return Request(kind, fields, echo(frame))


def echo(frame: Any) -> str | int | None:
    """Return the id that a client gave to a frame, or None."""
    given = frame.get("id") if isinstance(frame, Mapping) else None
    if isinstance(given, str) and len(given) <= LONGEST_ID:
        return clean_text(given)
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) <= LARGEST_ID:
        return given
    return None


def reply(kind: str, id: str | int | None, **body: Any) -> str:
    """Return a frame that answers a request, under the request's id."""
    named = {} if id is None else {"id": id}
    return dumps({"type": kind, **named, **body})


def error(refusal: Refusal, frame: Any) -> str:
    """Return the frame that says why a client's frame, whatever it was, is not served."""
    given = frame if isinstance(frame, Mapping) else {}
    more: dict[str, Any] = {} if echo(given) is None else {"id": echo(given)}
    if refusal.live_message:
        more["live_message"] = refusal.live_message
    if refusal.retry_after:
        more["retry_after"] = refusal.retry_after
    body = {"type": "error", "code": refusal.code, "message": refusal.message, "request": asked(given)}
    return dumps(body | more)


def asked(frame: Mapping[str, Any]) -> dict[str, str]:
    """Return what says what a frame was about."""
    about = ("type", "message", "conversation")
    return {key: clean_text(frame[key])[:64] for key in about if isinstance(frame.get(key), str)}


def not_found(name: str) -> Refusal:
    """Return the refusal for what does not exist, or not for this user."""
    if name == "conversation":
        return Refusal("not_found", _("This conversation does not exist."))
    return Refusal("not_found", _("This message does not exist."))
