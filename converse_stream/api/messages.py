"""Messages over REST: list, ask, read, stop, try again, answer otherwise, ask otherwise."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.asking import AskingView
from converse_stream.api.base import OwnerView
from converse_stream.api.pagination import Ordering, Pages
from converse_stream.api.serializers import (
    EditSerializer,
    QuestionSerializer,
    RegenerateSerializer,
    RetrySerializer,
)
from converse_stream.asking import regenerate
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.committed import load_committed


class MessageList(AskingView):
    """GET lists a conversation's messages by number; POST asks."""

    serializer_class = QuestionSerializer
    pagination_class = Pages
    filter_backends = (Ordering,)
    ordering = ("number",)
    ordering_fields = ("number",)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count only what starts an answer as asking."""
        if request.method != "POST":
            self.converse_throttle = OwnerView.converse_throttle
        super().initial(request, *args, **kwargs)

    def get(self, request: Request, pk: UUID) -> Response:
        """Return a page of messages, the live ones with what is committed by now."""
        conversation = get_object_or_404(self.conversations(), pk=pk)
        page = self.paginate_queryset(self.messages().filter(conversation=conversation)) or []
        load_committed(page)
        return self.get_paginated_response([message.to_dict() for message in page])

    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Store the question and start its answer."""
        conversation = get_object_or_404(self.conversations(), pk=pk)
        asked = self.asked(request)
        asked["parent"] = self._parent(conversation, asked.get("parent"))
        return self.respond(request, partial(conversation.ask, asked.pop("content")), asked)

    def _parent(self, conversation: Conversation, pk: UUID | None) -> Message | None:
        if pk is None:
            return None
        parent = self.messages().filter(conversation=conversation, pk=pk).first()
        if parent is None:
            raise NotFound(_("There is no such message to follow in this conversation."))
        return parent


class MessageDetail(OwnerView):
    """GET shows one message as it is committed by now."""

    def get(self, request: Request, pk: UUID) -> Response:
        """Return the message."""
        return Response(get_object_or_404(self.messages(), pk=pk).to_dict())


class MessageCancel(OwnerView):
    """POST stops a message. Stopping what has ended changes nothing and is no error."""

    def post(self, request: Request, pk: UUID) -> Response:
        """Return the message as it now is."""
        message = get_object_or_404(self.messages(), pk=pk)
        message.cancel()
        return Response(message.to_dict())


class SiblingView(AskingView):
    """A view that starts an answer beside the one, or beside the question, that it is called for."""

    def message(self, pk: UUID, *roles: str) -> Message:
        """Return the message, if it has one of these roles."""
        rows = self.messages().filter(role__in=roles).select_related("conversation", "parent")
        return get_object_or_404(rows, pk=pk)


class MessageRetry(SiblingView):
    """POST tries an answer again: the same question, the same model, a message beside it."""

    serializer_class = RetrySerializer

    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Start the answer."""
        return self.respond(request, self.message(pk, Role.ASSISTANT).retry, self.asked(request))


class MessageRegenerate(SiblingView):
    """POST answers a question once more, with the model of choice or else that of the conversation."""

    serializer_class = RegenerateSerializer

    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Start the answer."""
        return self.respond(
            request, partial(regenerate, self.message(pk, Role.USER, Role.ASSISTANT)), self.asked(request)
        )


class MessageEdit(SiblingView):
    """POST asks in other words: a question beside the one named, and with its answer a new branch."""

    serializer_class = EditSerializer

    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Start the answer."""
        asked = self.asked(request)
        return self.respond(request, partial(self.message(pk, Role.USER).edit, asked.pop("content")), asked)
