"""Speaking: a way to add a message for each role, and to find what was said last."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

from converse_stream.models.choices import Role
from converse_stream.models.fields import ConversationFields
from converse_stream.models.message import Message
from converse_stream.models.querysets import MessageQuerySet
from converse_stream.rendering import PromptTemplate


class Speaking(ConversationFields):
    """What can be said in a conversation, by role."""

    class Meta:
        abstract = True

    @abstractmethod
    def add_message(self, *args: Any, **options: Any) -> Message:
        """Append a message of any role."""

    @abstractmethod
    async def aadd_message(self, *args: Any, **options: Any) -> Message:
        """Append a message of any role, from async code."""

    def add_system_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a system message, as `add_message` does."""
        return self.add_message(Role.SYSTEM, content, **options)

    def add_user_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a user's message, as `add_message` does."""
        return self.add_message(Role.USER, content, **options)

    def add_assistant_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a finished answer, as `add_message` does."""
        return self.add_message(Role.ASSISTANT, content, **options)

    def add_tool_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a tool message, as `add_message` does."""
        return self.add_message(Role.TOOL, content, **options)

    async def aadd_system_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a system message, from async code."""
        return await self.aadd_message(Role.SYSTEM, content, **options)

    async def aadd_user_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a user's message, from async code."""
        return await self.aadd_message(Role.USER, content, **options)

    async def aadd_assistant_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a finished answer, from async code."""
        return await self.aadd_message(Role.ASSISTANT, content, **options)

    async def aadd_tool_message(self, content: str | PromptTemplate, **options: Any) -> Message:
        """Append a tool message, from async code."""
        return await self.aadd_message(Role.TOOL, content, **options)

    @property
    def last_message(self) -> Message | None:
        """The newest message, finished or not, of any branch. One query each time."""
        found: Message | None = self._spoken.order_by("-number").first()
        return found

    async def alast_message(self) -> Message | None:
        """Return the newest message, as `last_message` does, from async code."""
        found: Message | None = await self._spoken.order_by("-number").afirst()
        return found

    def recent(self, count: int) -> list[Message]:
        """Return the newest `count` messages, oldest first."""
        return self._spoken.recent(count)

    @property
    def _spoken(self) -> MessageQuerySet:
        spoken: MessageQuerySet = cast("Any", self).messages.all()
        return spoken
