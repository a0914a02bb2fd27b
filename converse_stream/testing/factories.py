"""Factories: rows as the package itself would have written them. They need the extra `testing`."""

# mypy: disable-error-code="no-untyped-call"
# factory-boy says that it is typed, but its declarations are not.

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone
from factory.declarations import LazyAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory, Password

from converse_stream.events import TEXT_KINDS, dumps, text_of, width
from converse_stream.models import Chunk, Conversation, Message, Role, Status
from converse_stream.models.figures import figures
from converse_stream.models.opening import insert

LEASE = timedelta(hours=1)
"""How long a streaming message of the factory stays alive without a writer."""


class UserFactory(DjangoModelFactory[Any]):
    """A user, without a usable password unless one is given."""

    class Meta:
        model = get_user_model()

    username = Sequence(lambda number: f"user{number}")
    email = LazyAttribute(lambda user: f"{user.username}@example.com")
    password = Password(None)


class ConversationFactory(DjangoModelFactory[Conversation]):
    """An empty conversation with an owner."""

    class Meta:
        model = Conversation

    owner = SubFactory(UserFactory)
    title = Sequence(lambda number: f"Conversation {number}")


class MessageFactory(DjangoModelFactory[Message]):
    """The next message of a conversation: `MessageFactory(failed=True, content="It was")`.

    Who speaks: `user` (the default), `system`, `assistant`. What became of an answer: `streaming`, `complete`,
    `failed`, `cancelled`. Give `content` or `parts`; of a streaming message they are committed chunks.
    """

    class Meta:
        model = Message

    class Params:
        user = Trait(role=Role.USER)
        system = Trait(role=Role.SYSTEM)
        assistant = Trait(
            role=Role.ASSISTANT,
            provider="scripted",
            model="script",
            finish_reason="stop",
            finish_reason_raw="stop",
        )
        complete = Trait(assistant=True)
        streaming = Trait(assistant=True, status=Status.STREAMING, finish_reason="", finish_reason_raw="")
        cancelled = Trait(assistant=True, status=Status.CANCELLED, finish_reason="cancelled", finish_reason_raw="")
        failed = Trait(
            assistant=True,
            status=Status.FAILED,
            finish_reason="error",
            finish_reason_raw="",
            error_code="server",
            error_message="the provider reported an error of its own",
        )

    conversation = SubFactory(ConversationFactory)
    role = Role.USER
    status = Status.COMPLETE
    content = Sequence(lambda number: f"This is message {number}.")

    @classmethod
    def _create(cls, model_class: type[Message], *args: Any, **kwargs: Any) -> Message:
        conversation, parent = kwargs.pop("conversation"), kwargs.pop("parent", None)
        text = [{"type": "text", "text": kwargs["content"]}] if kwargs["content"] else []
        parts = kwargs.pop("parts", None) or text
        message = model_class(**{**_written(kwargs, parts), **kwargs, "content": text_of(parts)})
        if message.is_live:
            message.content = ""
        else:
            message.parts, message.length = parts, sum(map(width, parts))
            if message.started_at:
                message.metadata = {**figures(message), **message.metadata}
        insert(conversation, [message], parent=parent)
        if message.is_live:
            _commit(message, parts)
        return message


def _written(fields: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return when and by whom a message was written: an answer took two seconds."""
    now = timezone.now()
    if fields["role"] != Role.ASSISTANT:
        return {"finished_at": now}
    started = now - timedelta(seconds=2)
    first = started + timedelta(seconds=0.5) if parts else None
    written = {"started_at": started, "first_delta_at": first, "delta_count": len(parts), "claims": 1}
    if fields["status"] == Status.STREAMING:
        return {**written, "lease_holder": secrets.token_hex(16)}
    return {**written, "finished_at": now, "duration": 2.0}


def _commit(message: Message, parts: list[dict[str, Any]]) -> None:
    """Store the parts of a live message as the chunks that a recorder would have committed."""
    message.lease_expires_at = timezone.now() + LEASE
    message.save(update_fields=["lease_expires_at"])
    start = 0
    for part in parts:
        end = start + width(part)
        data = part["text"] if part["type"] in TEXT_KINDS else dumps(part)
        Chunk.objects.create(
            message=message, start=start, end=end, kind=part["type"], data=data, created_at=timezone.now()
        )
        start = end
