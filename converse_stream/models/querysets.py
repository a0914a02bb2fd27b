"""Which conversations and messages: by owner, role, status and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models

from converse_stream.models.choices import LIVE_STATUSES, Role, Status

if TYPE_CHECKING:
    from converse_stream.models import Conversation, Message  # noqa: F401 - named in a type argument


class MessageQuerySet(models.QuerySet["Message"]):
    """Messages by owner, role and status."""

    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return the messages of conversations that `user` owns and has not deleted; none for anonymous users."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(conversation__owner=user, conversation__deleted_at=None)

    def by_role(self, role: str) -> Self:
        """Return the messages of one role."""
        return self.filter(role=role)

    def live(self) -> Self:
        """Return what has not ended: pending or streaming."""
        return self.filter(status__in=LIVE_STATUSES)

    def streaming(self) -> Self:
        """Return what has a writer."""
        return self.filter(status=Status.STREAMING)

    def complete(self) -> Self:
        """Return what ended properly."""
        return self.filter(status=Status.COMPLETE)

    def failed(self) -> Self:
        """Return what ended with an error."""
        return self.filter(status=Status.FAILED)

    def cancelled(self) -> Self:
        """Return what somebody stopped."""
        return self.filter(status=Status.CANCELLED)

    def system(self) -> Self:
        """Return the system messages."""
        return self.by_role(Role.SYSTEM)

    def user(self) -> Self:
        """Return the user's messages."""
        return self.by_role(Role.USER)

    def assistant(self) -> Self:
        """Return the answers."""
        return self.by_role(Role.ASSISTANT)

    def tool(self) -> Self:
        """Return the tool messages."""
        return self.by_role(Role.TOOL)

    def recent(self, count: int) -> list[Message]:
        """Return the newest `count` messages, oldest first."""
        return list(reversed(self.order_by("-number")[:count]))


SEARCHED_MESSAGES = 2_000
"""How many messages a search looks into: those of the conversations that changed last."""
SEARCHED_LENGTH = 100_000
"""The longest message, in characters, that a search looks into."""


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """Conversations by owner, words and time."""

    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return what `user` owns and has not deleted; nothing for anonymous users."""
        return self.owned_by(user).filter(deleted_at=None)

    def deleted_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return what `user` owns and has deleted, which can be restored; nothing for anonymous users."""
        return self.owned_by(user).filter(deleted_at__isnull=False)

    def owned_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return what `user` owns, deleted or not; nothing for anonymous users."""
        return self.filter(owner=user) if user.is_authenticated else self.none()

    def search(self, text: str) -> Self:
        """Return those with `text` in their title or in a question or an answer, whatever its case.

        2,000 messages are looked into, those of the conversations that changed last, if they have no more than
        100,000 characters: how much text a search reads does not grow with what somebody has ever written.
        """
        messages = self.model._meta.get_field("messages").related_model._base_manager.using(self.db)
        spoken = messages.filter(conversation__in=self.values("pk"), role__in=(Role.USER, Role.ASSISTANT))
        # By conversation: an index of the owner's leads to these, and to nobody else's messages.
        newest = spoken.order_by("-conversation__updated_at", "-number")[:SEARCHED_MESSAGES].values("pk")
        found = messages.filter(pk__in=newest, length__lte=SEARCHED_LENGTH, content__icontains=text)
        return self.filter(models.Q(title__icontains=text) | models.Q(pk__in=found.values("conversation")))

    def recent(self, count: int) -> Self:
        """Return the `count` conversations that changed last, newest first."""
        return self.order_by("-updated_at")[:count]
