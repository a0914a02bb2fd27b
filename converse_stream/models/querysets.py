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


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """Conversations by owner and time."""

    def for_user(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Return what `user` owns and has not deleted; nothing for anonymous users."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(owner=user, deleted_at=None)

    def recent(self, count: int) -> Self:
        """Return the `count` conversations that changed last, newest first."""
        return self.order_by("-updated_at")[:count]
