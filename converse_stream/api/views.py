"""The REST views. Whoever does not own a row is told that it does not exist."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.filters import OrderingFilter
from rest_framework.generics import GenericAPIView, ListCreateAPIView, RetrieveAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from converse_stream.api.errors import PublicErrors
from converse_stream.api.pagination import Pages
from converse_stream.api.parsers import CleanJSONParser
from converse_stream.api.serializers import ConversationSerializer, QuestionSerializer
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.committed import load_committed
from converse_stream.responses import follow_response


class OwnerView(PublicErrors):
    """What all views here share: a signed-in user, that user's rows only, and nothing kept by caches."""

    permission_classes = (IsAuthenticated,)
    parser_classes = (CleanJSONParser, FormParser, MultiPartParser)

    def conversations(self) -> QuerySet[Conversation]:
        """Return the conversations of the user who asks."""
        return Conversation.objects.for_user(self.request.user)

    def messages(self) -> QuerySet[Message]:
        """Return the messages the user who asks may see; system messages speak to the model only."""
        return Message.objects.for_user(self.request.user).exclude(role=Role.SYSTEM)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers out of caches, unless the response says itself what may be kept."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class ConversationList(OwnerView, ListCreateAPIView[Conversation]):
    """GET lists the user's conversations, newest first; POST opens one."""

    serializer_class = ConversationSerializer
    pagination_class = Pages
    filter_backends = (OrderingFilter,)
    ordering = ("-created_at", "-id")
    ordering_fields = ("created_at", "updated_at")

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return the user's own."""
        return self.conversations().defer("system_prompt")

    def perform_create(self, serializer: BaseSerializer[Conversation]) -> None:
        """Save the conversation as the user's own, whatever was sent."""
        serializer.save(owner=self.request.user)


class ConversationDetail(OwnerView, RetrieveAPIView[Conversation]):
    """GET shows one conversation."""

    serializer_class = ConversationSerializer

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return the user's own."""
        return self.conversations().defer("system_prompt")


class MessageList(OwnerView, GenericAPIView[Message]):
    """GET lists a conversation's messages by number; POST asks, and answers before the answer is there."""

    serializer_class = QuestionSerializer
    pagination_class = Pages
    filter_backends = (OrderingFilter,)
    ordering = ("number",)
    ordering_fields = ("number",)

    def get(self, request: Request, pk: UUID) -> Response:
        """Return a page of messages, the live ones with what is committed by now."""
        conversation = get_object_or_404(self.conversations(), pk=pk)
        page = self.paginate_queryset(self.messages().filter(conversation=conversation)) or []
        load_committed(page)
        return self.get_paginated_response([message.to_dict() for message in page])

    def post(self, request: Request, pk: UUID) -> Response:
        """Store the question, start its answer, and say where to follow it."""
        conversation = get_object_or_404(self.conversations(), pk=pk)
        question = self.get_serializer(data=request.data)
        question.is_valid(raise_exception=True)
        fields = question.validated_data
        message = conversation.ask(fields["content"], model=fields.get("model") or None)
        body = {
            "user_message": message.parent.to_dict() if message.parent else None,
            "message": message.to_dict(),
            "stream_url": stream_url(request, message),
        }
        return Response(body, status=status.HTTP_202_ACCEPTED)


class MessageDetail(OwnerView):
    """GET shows one message as it is committed by now."""

    def get(self, request: Request, pk: UUID) -> Response:
        """Return the message."""
        return Response(get_object_or_404(self.messages(), pk=pk).to_dict())


class AlwaysJSON(BaseContentNegotiation):
    """Errors are JSON whatever was asked for: an EventSource accepts only text/event-stream, and gets it on success."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer."""
        return renderers[0], renderers[0].media_type


class MessageStream(OwnerView):
    """GET follows a message from `?after=` or `Last-Event-ID` to its ending."""

    # No HEAD: its response would follow the message for nobody.
    http_method_names = ["get", "options"]
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJSON

    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Return the stream of the message."""
        message = get_object_or_404(self.messages(), pk=pk)
        return follow_response(request._request, message)


class MessageCancel(OwnerView):
    """POST stops a message. Stopping what has ended changes nothing and is no error."""

    def post(self, request: Request, pk: UUID) -> Response:
        """Return the message as it now is."""
        message = get_object_or_404(self.messages(), pk=pk)
        message.cancel()
        return Response(message.to_dict())


def stream_url(request: Request, message: Message) -> str:
    """Return the path at which `message` is followed, under the prefix the request came by."""
    match = request._request.resolver_match
    return reverse("converse_api:message-stream", args=[message.pk], current_app=match.namespace if match else None)
