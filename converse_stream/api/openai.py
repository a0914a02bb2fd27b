"""OpenAI's Chat Completions, for clients that speak nothing else: `OpenAI(base_url="https://…/api/v1", api_key=token)`.

The same tables hold what is asked and answered: each request is a conversation of its own, or goes on with the one
that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.apps import apps
from django.db import router, transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from rest_framework.authentication import BaseAuthentication, TokenAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.asking import client_key
from converse_stream.api.base import OwnerView
from converse_stream.api.openai_requests import Completion, read
from converse_stream.asking import ask
from converse_stream.conf import settings
from converse_stream.dialects.openai import OpenAIDialect, completion, error
from converse_stream.exceptions import InvalidContent
from converse_stream.limits import ViewerSlot, interrupts
from converse_stream.models import Conversation, Message
from converse_stream.models.opening import insert
from converse_stream.registry import chain
from converse_stream.responses import EventStreamResponse

_NAMESPACE = UUID("8a1f7f0c-52c9-4a3c-9d39-3f2f5c0e6a55")
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""Their word for an error, by status."""
FAILURES = {
    "rate_limit": 429,
    "quota": 429,
    "overloaded": 503,
    "timeout": 504,
    "bad_request": 400,
    "context_length": 400,
    "content_filter": 400,
    "not_found": 404,
}
"""The status of a failed answer that was not streamed; 502 for any other."""


class BearerAuthentication(TokenAuthentication):
    """REST framework's tokens, as their clients send a key."""

    keyword = "Bearer"


class OpenAIView(OwnerView):
    """A view whose errors have their form."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return that by key, where the app `rest_framework.authtoken` is installed, and the site's own."""
        by_key = [BearerAuthentication()] if apps.is_installed("rest_framework.authtoken") else []
        return [*by_key, *super().get_authenticators()]

    def handle_exception(self, exc: Exception) -> Response:
        """Return the response for an exception, in their form."""
        response = super().handle_exception(exc)
        code, message = _said(response.data, HTTPStatus(response.status_code).name.lower())
        kind = TYPES.get(response.status_code, "invalid_request_error")
        if code == "unknown_model":
            code, response.status_code = "model_not_found", 404
        response.data = error(message, code, type="server_error" if response.status_code >= 500 else kind)
        return response


# Without ATOMIC_REQUESTS: an answer begins when the question is committed, and this one is waited for.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class ChatCompletions(OpenAIView):
    """POST answers, as a stream of chunks or, when it is whole, at once."""

    converse_throttle = "converse_ask"

    def post(self, request: Request) -> HttpResponseBase:
        """Return the answer."""
        asked = read(request.data)
        response: HttpResponseBase
        if asked.is_streamed:
            slot = ViewerSlot(request.user.pk)
            message = self._ask(asked, client_key(request))
            dialect = OpenAIDialect(usage=asked.wants_usage)
            response = slot.held_by(EventStreamResponse(message, dialect=dialect, request=request._request))
        else:
            message = self._ask(asked, client_key(request))
            response = _whole(message.wait())
        response["X-Conversation"] = str(message.conversation_id)
        return response

    def _ask(self, asked: Completion, key: str | None) -> Message:
        options: dict[str, Any] = {"model": asked.model or None, "options": asked.options, "client_key": key}
        options["interrupt"] = interrupts()
        if asked.conversation is not None:
            if asked.history.prompt is None:
                raise InvalidContent("a conversation goes on with the user's message")
            conversation = get_object_or_404(self.conversations(), pk=asked.conversation)
            return ask(conversation, asked.history.prompt, **options)
        # One transaction: a request that is refused leaves nothing behind.
        with transaction.atomic(using=router.db_for_write(Conversation)):
            conversation = self._opened(asked, key)
            last = conversation.messages.filter(number=len(asked.history.messages)).first()
            return ask(conversation, asked.history.prompt, parent=last, **options)

    def _opened(self, asked: Completion, key: str | None) -> Conversation:
        """Return a new conversation with what was said before, or that of the same request before."""
        user = self.request.user
        pk = uuid5(_NAMESPACE, f"{user.pk}:{key}") if key else uuid4()
        defaults = {"owner_id": user.pk, "system_prompt": asked.history.system_prompt}
        conversation, is_new = Conversation.objects.get_or_create(pk=pk, defaults=defaults)
        if conversation.deleted_at is not None:
            raise Conversation.DoesNotExist(f"conversation {pk} is deleted")
        if is_new and asked.history.messages:
            insert(conversation, asked.history.messages)
        return conversation


class Models(OpenAIView):
    """GET lists the models that a client may name."""

    def get(self, request: Request) -> Response:
        """Return CLIENT_MODELS, or else DEFAULT_MODEL and the providers of the site."""
        named = settings.CLIENT_MODELS
        if named is None:
            named = [*(provider.label.rstrip(":") for provider in chain()), *settings.PROVIDERS]
        return Response({"object": "list", "data": [_model(str(name)) for name in dict.fromkeys(named)]})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": name.partition(":")[0]}


def _whole(message: Message) -> Response:
    failure = message.public_error()
    if failure is None:
        return Response(completion(message.to_dict()))
    status = FAILURES.get(failure["code"], 502)
    # Their clients try again by themselves, and would be answered, and charged for, once more.
    return Response(error(failure["message"], failure["code"]), status=status, headers={"X-Should-Retry": "false"})


def _said(data: Any, code: str) -> tuple[str, str]:
    """Return the code and the sentence of an error in any of REST framework's forms."""
    if isinstance(data, Mapping) and isinstance(data.get("error"), Mapping):
        return str(data["error"].get("code", code)), str(data["error"].get("message", ""))
    return code, _flat(data)


def _flat(detail: Any) -> str:
    if isinstance(detail, Mapping):
        if set(detail) == {"detail"}:
            return _flat(detail["detail"])
        return " ".join(f"{name}: {_flat(value)}" for name, value in detail.items())
    return " ".join(map(_flat, detail)) if isinstance(detail, list | tuple) else str(detail)
