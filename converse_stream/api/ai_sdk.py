"""The endpoints that AI SDK's `useChat` calls on its own: ask, come back to a live answer, stop it.

`new DefaultChatTransport({api: "/api/chat"})` needs nothing else. What a client sends as `messages` is never the
history, which is in the database: only the last of them is looked at.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import router, transaction
from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.ai_sdk_chats import conversation_of, opened_conversation_of
from converse_stream.api.ai_sdk_turns import Turn, answering
from converse_stream.api.base import OwnerView, stream_url
from converse_stream.api.fields import CleanTextField, ModelField, OptionsField
from converse_stream.api.streams import StreamView
from converse_stream.dialects.ai_sdk import NAME
from converse_stream.limits import ViewerSlot, interrupts
from converse_stream.models import Conversation, Message
from converse_stream.responses import EventStreamResponse

GRACE = timedelta(seconds=60)
"""How long an ended answer is replayed: a page may have read the history just before the ending."""


class ChatSerializer(serializers.Serializer[Any]):
    """What the transport sends, and what a site may have it send beside: unknown fields are the site's own."""

    id = CleanTextField(max_length=255)
    messages = serializers.ListField(child=serializers.DictField())
    trigger = serializers.ChoiceField(["submit-message", "regenerate-message"], default="submit-message")
    messageId = CleanTextField(required=False, allow_null=True, max_length=255)
    model = ModelField()
    options = OptionsField()
    interrupt = serializers.BooleanField(required=False)


class Chat(OwnerView):
    """POST asks, asks in other words or answers once more, and streams the answer."""

    converse_throttle = "converse_ask"

    def post(self, request: Request) -> HttpResponseBase:
        """Return the answer's stream. Whatever is wrong is found before anything is written."""
        serializer = ChatSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        options = {name: asked[name] for name in ("model", "options") if asked.get(name)}
        options["interrupt"] = interrupts(asked.get("interrupt"))
        slot = ViewerSlot(request.user.pk)
        message = self._answer(asked["id"], Turn.of(asked), options)
        response = EventStreamResponse(message, dialect=NAME, request=request._request)
        response["Location"] = stream_url(request, message)
        if message.is_replay:
            response["Idempotent-Replayed"] = "true"
        return slot.held_by(response)

    def _answer(self, chat: str, turn: Turn, options: dict[str, Any]) -> Message:
        # One transaction: a question that is refused leaves no empty conversation behind.
        with transaction.atomic(using=router.db_for_write(Conversation)):
            return answering(turn, opened_conversation_of(self.request.user, chat))(**options)


class ChatStream(StreamView):
    """GET replays a chat's live answer from its start; 204 where there is none, and no chat either."""

    def get(self, request: Request, chat: str) -> HttpResponseBase:
        """Return the stream of the newest answer while it is live, and for a minute after."""
        answer = _newest_answer(conversation_of(request.user, chat))
        if answer is None or not _is_fresh(answer):
            return HttpResponse(status=204)
        return self.follow(request, answer, dialect=NAME)


class ChatStop(OwnerView):
    """POST stops a chat's live answer for everybody. Stopping what has ended changes nothing and is no error."""

    def post(self, request: Request, chat: str) -> Response:
        """Return the newest answer as it now is."""
        conversation = conversation_of(request.user, chat)
        answer = _newest_answer(conversation)
        if answer is None:
            raise Message.DoesNotExist
        answer.cancel()
        return Response(answer.to_dict())


def _newest_answer(conversation: Conversation | None) -> Message | None:
    if conversation is None:
        return None
    # Its text may be long, and is mostly not asked for here.
    return conversation.messages.assistant().defer("content", "parts", "timeline").order_by("-number").first()


def _is_fresh(answer: Message) -> bool:
    return answer.is_live or (answer.finished_at is not None and answer.finished_at > timezone.now() - GRACE)
