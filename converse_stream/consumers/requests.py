"""What a client asks to be done: ask, retry, regenerate, cancel. Each runs in a database thread, as its user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from converse_stream import limits
from converse_stream.asking import regenerate
from converse_stream.consumers.frames import Request
from converse_stream.models import Conversation, Message, Role

User = AbstractBaseUser | AnonymousUser


def find_message(user: User, message_id: str) -> Message:
    """Return a message that this user may see, without the megabytes it may have. Raise Message.DoesNotExist."""
    messages = Message.objects.for_user(user).exclude(role=Role.SYSTEM)
    return messages.defer("content", "parts", "timeline").get(pk=message_id)


def find_conversation(user: User, conversation_id: str) -> Conversation:
    """Return a conversation of this user. Raise Conversation.DoesNotExist."""
    return Conversation.objects.for_user(user).get(pk=conversation_id)


def _ask(user: User, request: Request) -> dict[str, Any]:
    choices, content = _choices(request), request.text("content") or ""
    message = find_conversation(user, request.about).ask(content, **choices)
    question = message.parent.to_dict() if message.parent else None
    return {"user_message": question, "message": message.to_dict()}


def _retry(user: User, request: Request) -> dict[str, Any]:
    choices = _choices(request)
    return {"message": find_message(user, request.about).retry(**choices).to_dict()}


def _regenerate(user: User, request: Request) -> dict[str, Any]:
    choices = _choices(request)
    return {"message": regenerate(find_message(user, request.about), **choices).to_dict()}


def _cancel(user: User, request: Request) -> dict[str, Any]:
    message = find_message(user, request.about)
    message.cancel()
    return {"message": message.to_dict()}


def _choices(request: Request) -> dict[str, Any]:
    """Return what a client may say about an answer, as far as it has."""
    choices: dict[str, Any] = {"interrupt": limits.interrupts(request.flag("interrupt"))}
    if model := request.text("model"):
        limits.check_model(model)
        choices["model"] = model
    if (options := request.fields.get("options")) is not None:
        limits.check_options(options)
        choices["options"] = options
    if (key := request.text("client_key")) is not None:
        choices["client_key"] = key
    return choices


DOES: Mapping[str, Callable[[User, Request], dict[str, Any]]] = {
    "ask": _ask,
    "retry": _retry,
    "regenerate": _regenerate,
    "cancel": _cancel,
}
"""What a request does. Each returns what the reply tells."""
