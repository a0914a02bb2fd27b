"""Conversations over REST: list, search, open, read, change, delete, restore."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView, ListCreateAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.base import OwnerView
from converse_stream.api.fields import CleanTextField, StrictBooleanField
from converse_stream.api.pagination import Ordering, Pages
from converse_stream.api.serializers import ConversationSerializer
from converse_stream.models import Conversation


class ListSerializer(serializers.Serializer[Any]):
    """Which conversations a list shows."""

    search = CleanTextField(required=False, allow_blank=True, max_length=100)
    deleted = StrictBooleanField(required=False)


class ConversationList(OwnerView, ListCreateAPIView[Conversation]):
    """GET lists the user's conversations, newest first; POST opens one."""

    serializer_class = ConversationSerializer
    pagination_class = Pages
    filter_backends = (Ordering,)
    ordering = ("-created_at", "-id")
    ordering_fields = ("created_at", "updated_at")

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return the user's own: those with the words of `?search=`, or the deleted ones with `?deleted=true`."""
        wanted = ListSerializer(data=self.request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        if wanted.validated_data.get("deleted"):
            rows = Conversation.objects.deleted_by(self.request.user)
        else:
            rows = Conversation.objects.for_user(self.request.user)
        text = wanted.validated_data.get("search")
        return (rows.search(text) if text else rows).defer("system_prompt")

    def perform_create(self, serializer: serializers.BaseSerializer[Conversation]) -> None:
        """Save the conversation as the user's own, whatever was sent."""
        serializer.save(owner=self.request.user)


class ConversationDetail(OwnerView, RetrieveAPIView[Conversation]):
    """GET shows a conversation, PATCH changes it, DELETE takes it away until it is restored."""

    serializer_class = ConversationSerializer

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return the user's own."""
        return self.conversations().defer("system_prompt")

    def patch(self, request: Request, pk: UUID) -> Response:
        """Change what was sent and return the conversation as it now is."""
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data:
            serializer.save()
        return Response(serializer.data)

    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete the conversation and stop its live answer."""
        self.get_object().soft_delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConversationRestore(OwnerView, GenericAPIView[Conversation]):
    """POST gives a deleted conversation back. Restoring one that is there changes nothing and is no error."""

    serializer_class = ConversationSerializer

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return the user's own, the deleted ones too."""
        return Conversation.objects.owned_by(self.request.user).defer("system_prompt")

    def post(self, request: Request, pk: UUID) -> Response:
        """Return the conversation as it now is."""
        conversation = self.get_object()
        conversation.restore()
        return Response(self.get_serializer(conversation).data)
