"""HasConversations: a mixin for any model that conversations belong to, or are about."""

from __future__ import annotations

from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models

from converse_stream.models.conversation import Conversation
from converse_stream.models.querysets import ConversationQuerySet


class HasConversations:
    """`class Team(HasConversations, models.Model)`: the site's user model owns conversations, any other is the subject.

    It adds no column and needs no migration. Conversations outlive the instance that they are about.
    """

    @property
    def conversations(self) -> ConversationQuerySet:
        """Those of this instance that are not deleted, the one that changed last first."""
        return Conversation.objects.filter(deleted_at=None, **self._whose())

    def start_conversation(self, **fields: Any) -> Conversation:
        """Create a conversation of this instance; takes the fields of Conversation, such as `title` and `owner`."""
        return Conversation.objects.create(**{**self._whose(), **fields})

    def find_conversation(self, pk: Any) -> Conversation | None:
        """Return the conversation with this id, or None if it is deleted, another's or none at all."""
        field = Conversation._meta.pk
        try:
            return self.conversations.filter(pk=field.to_python(pk)).first()
        except (ValueError, TypeError, ValidationError):
            return None

    def continue_conversation(self, pk: Any) -> Conversation:
        """Return the conversation with this id. Raise Conversation.DoesNotExist as `find_conversation` finds none."""
        found = self.find_conversation(pk)
        if found is None:
            raise Conversation.DoesNotExist(f"{type(self).__name__} has no such conversation")
        return found

    async def astart_conversation(self, **fields: Any) -> Conversation:
        """Create as `start_conversation` does, from async code."""
        return await sync_to_async(self.start_conversation)(**fields)

    async def afind_conversation(self, pk: Any) -> Conversation | None:
        """Find as `find_conversation` does, from async code."""
        return await sync_to_async(self.find_conversation)(pk)

    async def acontinue_conversation(self, pk: Any) -> Conversation:
        """Return as `continue_conversation` does, from async code."""
        return await sync_to_async(self.continue_conversation)(pk)

    def _whose(self) -> dict[str, Any]:
        instance = cast("models.Model", self)
        if instance.pk is None:
            raise ValueError(f"this {type(self).__name__} has to be saved before it can have conversations")
        if isinstance(self, get_user_model()):
            return {"owner_id": instance.pk}
        return {"subject_type": ContentType.objects.get_for_model(instance), "subject_id": str(instance.pk)}
