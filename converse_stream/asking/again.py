"""Asking again: the same question once more, or in other words."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async

from converse_stream.asking.direct import ask
from converse_stream.exceptions import InvalidContent, NothingToAnswer
from converse_stream.models import Message, Role, Status
from converse_stream.models.history import tellable


def retry(message: Message, **options: Any) -> Message:
    """Answer the question of `message` again; see Message.retry."""
    if message.role != Role.ASSISTANT:
        raise InvalidContent("only an answer can be tried again")
    if "crew" in message.metadata:
        raise InvalidContent("this is part of a crew's work; resume the crew")
    if message.parent is not None and options.get("source") is None and options.get("model") is None:
        options["model"] = _model_of(message)
    for wish in ("tools", "schema"):
        if message.metadata.get(wish):
            options.setdefault(wish, message.metadata[wish])
    if message.status == Status.FAILED and message.parent is not None and tellable(message):
        return ask(message.conversation, None, parent=message, **options)
    options.setdefault("fallback_text", message.metadata.get("fallback_text"))
    return regenerate(message, **options)


aretry = sync_to_async(retry)


def regenerate(message: Message, **options: Any) -> Message:
    """Answer a question, or the question of an answer, once more: by default with the conversation's model."""
    if message.role not in (Role.USER, Role.ASSISTANT):
        raise InvalidContent("only a question or an answer can be answered once more")
    question = message if message.role == Role.USER else message.parent
    if question is None:
        raise NothingToAnswer("this answer has no question")
    return ask(message.conversation, None, parent=question, **options)


def edit(message: Message, content: str, **options: Any) -> Message:
    """Ask in other words beside `message`; see Message.edit."""
    if message.role != Role.USER:
        raise InvalidContent("only a user's message can be edited")
    return ask(message.conversation, content, beside=message, **options)


aedit = sync_to_async(edit)


def _model_of(message: Message) -> list[str]:
    """Return who was asked for this answer, in turn."""
    asked = message.attempts.order_by("pk").values_list("provider", "model")
    if not asked:
        raise InvalidContent("this answer was written by a source of the site's own; give a source or a model")
    return list(dict.fromkeys(f"{provider}:{model}" for provider, model in asked))
