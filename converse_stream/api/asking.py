"""What all questions over REST have in common: the key that makes them safe to repeat, and two forms of answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.base import OwnerView, stream_url, wants_stream
from converse_stream.dialects import get_dialect
from converse_stream.limits import ViewerSlot, interrupts
from converse_stream.models import Message, Role
from converse_stream.responses import EventStreamResponse

_KEY = re.compile(r"[\x20-\x7e]{1,255}\Z")


class AskingView(OwnerView, GenericAPIView[Message]):
    """POST starts an answer: 202 says where to follow it; a client that accepts events is sent them at once."""

    converse_throttle = "converse_ask"

    def get_queryset(self) -> QuerySet[Message]:
        """Return the user's own."""
        return self.messages()

    def asked(self, request: Request) -> dict[str, Any]:
        """Return what was sent, as the options that `ask`, `retry` and `edit` take. Raise ValidationError."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = dict(serializer.validated_data)
        fields["interrupt"] = interrupts(fields.get("interrupt"))
        fields["client_key"] = client_key(request)
        return fields

    def respond(self, request: Request, ask: Callable[..., Message], options: Mapping[str, Any]) -> HttpResponseBase:
        """Ask, and return the response. Whatever is wrong is found before anything is written."""
        response: HttpResponseBase
        dialect = request.query_params.get("dialect", "native")
        get_dialect(dialect)
        if wants_stream(request):
            slot = ViewerSlot(request.user.pk)
            message = ask(**options)
            response = slot.held_by(EventStreamResponse(message, dialect=dialect, request=request._request))
        else:
            message = ask(**options)
            response = Response(_accepted(request, message), status=status.HTTP_202_ACCEPTED)
        response["Location"] = stream_url(request, message)
        if message.is_replay:
            response["Idempotent-Replayed"] = "true"
        return response


def client_key(request: Request) -> str | None:
    """Return the Idempotency-Key of a request, if it has one. Raise ValidationError for one that is no key."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.match(key):
        raise ValidationError({"Idempotency-Key": [_("Send 1 to 255 printable ASCII characters.")]})
    return key


def _accepted(request: Request, message: Message) -> dict[str, Any]:
    question = message.parent
    return {
        # What an answer follows may also be a system message, which speaks to the model only.
        "user_message": question.to_dict() if question and question.role == Role.USER else None,
        "message": message.to_dict(),
        "stream_url": stream_url(request, message),
    }
