"""Conversation: who talks with which model about what, and the door to everything a site does with it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _

from converse_stream.models.choices import Role
from converse_stream.models.message import Message
from converse_stream.models.querysets import ConversationQuerySet
from converse_stream.prompts import PromptMessage

if TYPE_CHECKING:
    from converse_stream.generation import Source
    from converse_stream.registry import Model
    from converse_stream.responses import EventStreamResponse
    from converse_stream.writer import PrismStream, StreamOpening


class Conversation(models.Model):
    """An ordered exchange of messages, with at most one live answer at a time."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="converse_conversations"
    )
    subject_type = models.ForeignKey(ContentType, models.SET_NULL, null=True, blank=True, related_name="+")
    subject_id = models.CharField(max_length=64, blank=True)
    subject = GenericForeignKey("subject_type", "subject_id")
    title = models.CharField(max_length=200, blank=True)
    system_prompt = models.TextField(blank=True)
    model = models.CharField(max_length=200, blank=True, help_text=_("provider:model; empty for DEFAULT_MODEL"))
    options = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    last_number = models.PositiveIntegerField(default=0, editable=False)
    revision = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ("-updated_at",)
        indexes = (
            models.Index(fields=("owner", "-updated_at"), name="converse_conversation_owner"),
            models.Index(fields=("subject_type", "subject_id"), name="converse_conversation_subject"),
        )

    def __str__(self) -> str:
        return self.title or str(self.pk)

    def add_message(
        self,
        role: str,
        content: str,
        *,
        parent: Message | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Append a finished message.

        Raise InvalidContent, ContentTooLong or ReservedMetadata for bad input, and ConversationBusy
        while an answer is live: add the user's message first, then start the answer.
        """
        from converse_stream.models.opening import add_message

        return add_message(self, role, content, parent=parent, metadata=metadata)

    def add_system_message(self, content: str, **options: Any) -> Message:
        """Append a system message, as `add_message` does."""
        return self.add_message(Role.SYSTEM, content, **options)

    def add_user_message(self, content: str, **options: Any) -> Message:
        """Append a user's message, as `add_message` does."""
        return self.add_message(Role.USER, content, **options)

    def add_assistant_message(self, content: str, **options: Any) -> Message:
        """Append a finished answer, as `add_message` does."""
        return self.add_message(Role.ASSISTANT, content, **options)

    def add_tool_message(self, content: str, **options: Any) -> Message:
        """Append a tool message, as `add_message` does."""
        return self.add_message(Role.TOOL, content, **options)

    async def aadd_message(self, role: str, content: str, **options: Any) -> Message:
        """Append as `add_message` does, from async code."""
        from converse_stream.models.opening import aadd_message

        return await aadd_message(self, role, content, **options)

    async def aadd_system_message(self, content: str, **options: Any) -> Message:
        """Append a system message, from async code."""
        return await self.aadd_message(Role.SYSTEM, content, **options)

    async def aadd_user_message(self, content: str, **options: Any) -> Message:
        """Append a user's message, from async code."""
        return await self.aadd_message(Role.USER, content, **options)

    async def aadd_assistant_message(self, content: str, **options: Any) -> Message:
        """Append a finished answer, from async code."""
        return await self.aadd_message(Role.ASSISTANT, content, **options)

    async def aadd_tool_message(self, content: str, **options: Any) -> Message:
        """Append a tool message, from async code."""
        return await self.aadd_message(Role.TOOL, content, **options)

    def history(self, *, parent: Message | None = None) -> list[PromptMessage]:
        """Return what a model should be told: from the root to `parent`, or else the newest leaf that did not fail."""
        from converse_stream.models.history import history

        return history(self, parent=parent)

    async def ahistory(self, *, parent: Message | None = None) -> list[PromptMessage]:
        """Return the history as `history` does, from async code."""
        from converse_stream.models.history import ahistory

        return await ahistory(self, parent=parent)

    def ask(
        self,
        prompt: str,
        *,
        model: Model | None = None,
        options: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        parent: Message | None = None,
        source: Source | None = None,
        interrupt: bool = False,
        client_key: str | None = None,
    ) -> Message:
        """Store the question, start its answer and return the answer's message at once.

        Asked again under the same `client_key`, return the answer there is, with `is_replay` set, and start nothing.
        Raise ConversationBusy while another answer is live (with `interrupt=True` that one is stopped first),
        IdempotencyMismatch for a key that came with another question, and TooManyAnswers, UnknownModel,
        InvalidContent, ContentTooLong, InvalidOptions or ReservedMetadata before anything is written.
        """
        from converse_stream.asking import ask

        return ask(
            self,
            prompt,
            model=model,
            options=options,
            metadata=metadata,
            parent=parent,
            source=source,
            interrupt=interrupt,
            client_key=client_key,
        )

    async def aask(self, prompt: str, **options: Any) -> Message:
        """Ask as `ask` does, from async code."""
        from converse_stream.asking import aask

        return await aask(self, prompt, **options)

    def soft_delete(self) -> bool:
        """Take the conversation away from its owner and stop its live answer. Return whether this call did it."""
        from converse_stream.models.deletion import soft_delete

        return soft_delete(self)

    async def asoft_delete(self) -> bool:
        """Delete as `soft_delete` does, from async code."""
        from converse_stream.models.deletion import asoft_delete

        return await asoft_delete(self)

    def restore(self) -> bool:
        """Give a deleted conversation back to its owner, as it was. Return whether this call did it."""
        from converse_stream.models.deletion import restore

        return restore(self)

    async def arestore(self) -> bool:
        """Restore as `restore` does, from async code."""
        from converse_stream.models.deletion import arestore

        return await arestore(self)

    def start_stream(
        self, *, model: str = "", metadata: Mapping[str, Any] | None = None, interrupt: bool = False
    ) -> PrismStream:
        """Open an answer that the caller writes itself: `with conversation.start_stream() as stream: …`.

        Raise ConversationBusy while another answer is live.
        """
        from converse_stream.writer import start_stream

        return start_stream(self, model=model, metadata=metadata, interrupt=interrupt)

    def astart_stream(self, **options: Any) -> StreamOpening:
        """Open as `start_stream` does, from async code: `async with conversation.astart_stream() as stream: …`."""
        from converse_stream.writer import StreamOpening

        return StreamOpening(self, options)

    def stream_response(self, prompt: str | None = None, **options: Any) -> EventStreamResponse:
        """Ask and return an HTTP response that streams the answer; without a prompt, answer the newest user message.

        Takes the options of `ask`, and `dialect` and `on_disconnect` of EventStreamResponse.
        Raise NothingToAnswer when there is neither a prompt nor an unanswered question.
        """
        from converse_stream.responses import stream_response

        return stream_response(self, prompt, **options)

    async def astream_response(self, prompt: str | None = None, **options: Any) -> EventStreamResponse:
        """Respond as `stream_response` does, from async views."""
        from converse_stream.responses import astream_response

        return await astream_response(self, prompt, **options)
