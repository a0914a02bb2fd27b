"""Streams over REST: follow a message or a conversation's live answer, and the ticket to do so without headers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.base import OwnerView, stream_url
from converse_stream.api.tickets import TicketAuthentication, issue
from converse_stream.conf import settings
from converse_stream.dialects import get_dialect
from converse_stream.events import END
from converse_stream.exceptions import MalformedCursor
from converse_stream.feed import parse
from converse_stream.limits import ViewerSlot
from converse_stream.models import Conversation, Message
from converse_stream.responses import EventStreamResponse, follow_response


class StreamView(OwnerView):
    """A view that follows. Errors are JSON whatever was asked for: an EventSource accepts nothing but a stream."""

    # No HEAD: its response would follow the message for nobody.
    http_method_names = ["get", "options"]
    renderer_classes = (JSONRenderer,)
    converse_throttle = "converse_follow"

    def follow(self, request: Request, message: Message, **options: Any) -> HttpResponseBase:
        """Return the stream of the message, or 204 behind its ending, or 400 for a cursor or dialect that is none."""
        if "dialect" in request.query_params:
            get_dialect(request.query_params["dialect"])
        slot = ViewerSlot(request.user.pk)
        response = (
            EventStreamResponse(message, request=request._request, **options)
            if options
            else follow_response(request._request, message)
        )
        return slot.held_by(response) if response.streaming else response


class MessageStream(StreamView):
    """GET follows a message from `?after=` or `Last-Event-ID` to its ending."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return the site's authentication, or that by ticket where there is one."""
        if self.request is not None and "ticket" in self.request.GET:
            return [TicketAuthentication()]
        return super().get_authenticators()

    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Return the stream of the message."""
        response = self.follow(request, get_object_or_404(self.messages(), pk=pk))
        # A ticket in the address goes nowhere else.
        response["Referrer-Policy"] = "no-referrer"
        return response


class ConversationStream(StreamView):
    """GET follows the live answer of a conversation; 204 when there is none."""

    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Return the stream of the answer that the cursor names, to its ending, and behind that of the live one."""
        conversation = get_object_or_404(self.conversations(), pk=pk)
        dialect = request.query_params.get("dialect", "native")
        get_dialect(dialect)
        cursor = request.headers.get("Last-Event-ID") or request.query_params.get("after") or "0"
        followed, dot, position = cursor.rpartition(".")
        if dot:
            message = self._followed(conversation, followed)
            if message.is_live or position != END:
                return self.follow(request, message)
        else:
            parse(cursor, "")
        live = self.messages().filter(live_in=conversation).first()
        if live is None:
            return HttpResponse(status=204)
        if dot:
            return self.follow(request, live, dialect=dialect)
        return self.follow(request, live)

    def _followed(self, conversation: Conversation, pk: str) -> Message:
        try:
            message = self.messages().filter(conversation=conversation, pk=UUID(pk)).first()
        except ValueError:
            message = None
        if message is None:
            raise MalformedCursor("the cursor names no message of this conversation")
        return message


class MessageTicket(OwnerView):
    """POST issues a ticket: for a minute, a user and a message, it stands for what an EventSource cannot send."""

    def post(self, request: Request, pk: UUID) -> Response:
        """Return the ticket and the address that carries it."""
        message = get_object_or_404(self.messages().defer("parts", "content", "metadata"), pk=pk)
        ticket = issue(request.user, message.pk)
        url = f"{stream_url(request, message)}?ticket={ticket}"
        return Response({"ticket": ticket, "stream_url": url, "expires_in": settings.TICKET_SECONDS})
