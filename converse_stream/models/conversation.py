"""Conversation: who talks with which model about what, and the door to everything a site does with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from django.db import models
from django.utils.translation import gettext_lazy as _

from converse_stream.models.items import listed
from converse_stream.models.message import Message
from converse_stream.models.querysets import ConversationQuerySet
from converse_stream.models.speaking import Speaking
from converse_stream.prompts import PromptMessage
from converse_stream.rendering import PromptTemplate
from converse_stream.windows import Window

if TYPE_CHECKING:
    from converse_stream.asking import Wishes
    from converse_stream.output import OnChunk, Writable
    from converse_stream.questions import Question
    from converse_stream.registry import Model
    from converse_stream.responses import EventStreamResponse
    from converse_stream.transforms import Transform
    from converse_stream.writer import PrismStream, StreamOpening


class Conversation(Speaking):
    """An ordered exchange of messages, with at most one live answer at a time."""

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ("-updated_at",)
        indexes = (
            models.Index(fields=("owner", "-updated_at"), name="converse_conversation_owner"),
            models.Index(fields=("subject_type", "subject_id"), name="converse_conversation_subject"),
        )

    def add_message(
        self,
        role: str,
        content: str | PromptTemplate,
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

    async def aadd_message(self, role: str, content: str | PromptTemplate, **options: Any) -> Message:
        """Append as `add_message` does, from async code."""
        from converse_stream.models.opening import aadd_message

        return await aadd_message(self, role, content, **options)

    def add_messages(self, *items: Any, parent: Message | None = None) -> list[Message]:
        """Append finished messages in one statement, all of them or none; return them.

        An item is a text (the user's), a mapping with `role` and `content` (or `parts`, and `metadata`), a UserMessage,
        SystemMessage or AssistantMessage, a PromptTemplate, a PromptMessage, a ToolCall or a ToolResult.
        They may be given one by one or as one iterable. Raise as `add_message` does, naming the item.
        """
        from converse_stream.models.opening import add_messages

        return add_messages(self, listed(items), parent=parent)

    async def aadd_messages(self, *items: Any, parent: Message | None = None) -> list[Message]:
        """Append as `add_messages` does, from async code."""
        from converse_stream.models.opening import aadd_messages

        return await aadd_messages(self, listed(items), parent=parent)

    def add_response(self, response: object, **options: Any) -> Message:
        """Append the finished answer that a provider's library has returned; see `read_answer` for what it may be.

        Takes `model`, `provider`, `metadata` and `parent`. Raise InvalidContent for one that says nothing.
        """
        from converse_stream.models.responded import add_response

        return add_response(self, response, **options)

    async def aadd_response(self, response: object, **options: Any) -> Message:
        """Append as `add_response` does, from async code."""
        from converse_stream.models.responded import aadd_response

        return await aadd_response(self, response, **options)

    def generate_title(self, *, model: Model | None = None) -> str:
        """Have a model give the conversation its title, or else take its first sentence; return the title.

        By default TITLE_MODEL is asked, or else the conversation's own. Raise NothingToAnswer if nobody has asked yet.
        """
        from converse_stream.generation.titles import generate_title

        return generate_title(self, model=model)

    async def agenerate_title(self, *, model: Model | None = None) -> str:
        """Give a title as `generate_title` does, from async code."""
        from converse_stream.generation.titles import agenerate_title

        return await agenerate_title(self, model=model)

    def clear(self) -> int:
        """Delete all messages for good, a live one too, and keep the conversation. Return how many there were."""
        from converse_stream.models.deletion import clear

        return clear(self)

    async def aclear(self) -> int:
        """Delete as `clear` does, from async code."""
        from converse_stream.models.deletion import aclear

        return await aclear(self)

    def history(self, *, parent: Message | None = None, window: Window | None = None) -> list[PromptMessage]:
        """Return what a model should be told: from the root to `parent`, or else the newest leaf that did not fail.

        With a `window` only the newest messages that fit.
        """
        from converse_stream.models.history import history

        return history(self, parent=parent, window=window)

    async def ahistory(self, *, parent: Message | None = None, window: Window | None = None) -> list[PromptMessage]:
        """Return the history as `history` does, from async code."""
        from converse_stream.models.history import ahistory

        return await ahistory(self, parent=parent, window=window)

    def window(self, *, messages: int | None = None, tokens: int | None = None) -> list[PromptMessage]:
        """Return the newest part of the history: at most so many messages, and so many tokens by our estimate."""
        return self.history(window=Window(messages, tokens))

    def prompt(self, prompt: str | PromptTemplate | None = None, **wishes: Unpack[Wishes]) -> Question:
        """Return a question that is put together step by step, and asked when its answer is wanted; see Question.

        Without a prompt it is the newest user message.
        """
        from converse_stream.questions import Question

        return Question(self, prompt, wishes)

    def ask(
        self,
        prompt: str | PromptTemplate | None,
        *,
        on_chunk: OnChunk | None = None,
        to: Writable | None = None,
        **wishes: Unpack[Wishes],
    ) -> Message:
        """Store the question, start its answer and return the answer's message at once.

        With `on_chunk` or `to` hand out the text here as it is committed, and return the message when it has ended.
        Asked again under the same `client_key`, return the answer there is, with `is_replay` set, and start nothing.
        Raise ConversationBusy while another answer is live (with `interrupt=True` that one is stopped first),
        IdempotencyMismatch for a key that came with another question, and TooManyAnswers, SiteFull,
        UnknownModel, InvalidContent, ContentTooLong, InvalidOptions or ReservedMetadata before anything is written.
        """
        from converse_stream.asking import ask

        return ask(self, prompt, on_chunk=on_chunk, to=to, **wishes)

    async def aask(
        self,
        prompt: str | PromptTemplate | None,
        *,
        on_chunk: OnChunk | None = None,
        to: Writable | None = None,
        **wishes: Unpack[Wishes],
    ) -> Message:
        """Ask as `ask` does, from async code; `on_chunk` may be async."""
        from converse_stream.asking import aask

        return await aask(self, prompt, on_chunk=on_chunk, to=to, **wishes)

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
        self,
        *,
        model: str = "",
        metadata: Mapping[str, Any] | None = None,
        interrupt: bool = False,
        transforms: Sequence[Transform] = (),
    ) -> PrismStream:
        """Open an answer that the caller writes itself: `with conversation.start_stream() as stream: …`.

        Raise ConversationBusy while another answer is live.
        """
        from converse_stream.writer import start_stream

        return start_stream(self, model=model, metadata=metadata, interrupt=interrupt, transforms=transforms)

    def astart_stream(self, **options: Any) -> StreamOpening:
        """Open as `start_stream` does, from async code: `async with conversation.astart_stream() as stream: …`."""
        from converse_stream.writer import StreamOpening

        return StreamOpening(self, options)

    def stream_response(self, prompt: str | PromptTemplate | None = None, **options: Any) -> EventStreamResponse:
        """Ask and return an HTTP response that streams the answer; without a prompt, answer the newest user message.

        Takes the options of `ask`, and `dialect` and `on_disconnect` of EventStreamResponse.
        Raise NothingToAnswer when there is neither a prompt nor an unanswered question.
        """
        from converse_stream.responses import stream_response

        return stream_response(self, prompt, **options)

    async def astream_response(self, prompt: str | PromptTemplate | None = None, **options: Any) -> EventStreamResponse:
        """Respond as `stream_response` does, from async views."""
        from converse_stream.responses import astream_response

        return await astream_response(self, prompt, **options)
