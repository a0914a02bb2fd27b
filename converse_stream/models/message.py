"""Message: one utterance, and, while it is live, the stream that everybody follows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections, models, router
from django.utils.translation import gettext_lazy as _

from converse_stream.events import Event
from converse_stream.models.choices import LIVE_STATUSES, Status
from converse_stream.models.fields import MessageFields
from converse_stream.models.public import described, public_error
from converse_stream.models.querysets import MessageQuerySet
from converse_stream.models.structured import Structured

if TYPE_CHECKING:
    from converse_stream.responses import EventStreamResponse
    from converse_stream.transforms import Transform


SITE_FIELDS = ("metadata", "client_key", "request_fingerprint", "updated_at")
"""What a site may change of a message that the recorder writes."""


class Message(Structured, MessageFields):
    """One message of a conversation. It only grows, ends once, and never changes after its ending."""

    conversation = models.ForeignKey("Conversation", models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", models.RESTRICT, null=True, blank=True, related_name="children")
    live_in = models.OneToOneField("Conversation", models.CASCADE, null=True, blank=True, related_name="+")

    objects = MessageQuerySet.as_manager()

    is_replay = False
    """Whether `ask` has found this answer under its client key rather than started it."""

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ("conversation_id", "number")
        constraints = (
            models.UniqueConstraint(fields=("conversation", "number"), name="converse_message_number"),
            models.UniqueConstraint(fields=("conversation", "client_key"), name="converse_message_client_key"),
        )
        indexes = (
            models.Index(fields=("status", "lease_expires_at"), name="converse_message_lease"),
            models.Index(fields=("-created_at",), name="converse_message_created"),
        )

    def save(self, **options: Any) -> None:
        """Save the row; of one that has had a writer only what the site may change, as the rest is the writer's."""
        if (self.lease_holder or self.request) and not self._state.adding:
            options.setdefault("update_fields", SITE_FIELDS)
        super().save(**options)

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        """Read the row anew, in one query; the content of a live message is read when it is asked for."""
        if fields is not None:
            super().refresh_from_db(using, fields, from_queryset)
            return
        rows = Message._base_manager.db_manager(using or self._state.db) if from_queryset is None else from_queryset
        row = rows.get(pk=self.pk)
        for field in self._meta.concrete_fields:
            self.__dict__[field.attname] = row.__dict__[field.attname]
            if isinstance(field, models.ForeignKey):
                # The thread that writes the answer may read the row into this same instance at this moment.
                self._state.fields_cache.pop(field.cache_name, None)
        self.__dict__.pop("_committed", None)
        self.__dict__.pop("_prefetched_objects_cache", None)
        self._state.db = row._state.db

    @property
    def is_live(self) -> bool:
        """Whether the message may still grow, as of when this instance was read."""
        return self.status in LIVE_STATUSES

    @property
    def starts_on_commit(self) -> bool:
        """Whether the answer waits for the commit of the transaction that is open here."""
        using = router.db_for_write(Message)
        # Only what is there: in an event loop, each viewer would be given a connection of its own to look at.
        opened = (each for each in connections.all(initialized_only=True) if each.alias == using)
        waiting = (entry for connection in opened for entry in connection.run_on_commit)
        return any(getattr(entry[1], "message_id", None) == self.pk for entry in waiting)

    def committed_parts(self) -> list[dict[str, Any]]:
        """Return the parts committed: of a live message those so far (three queries, kept on the instance)."""
        if self.is_live and "_committed" not in self.__dict__:
            from converse_stream.models.committed import load_committed

            load_committed([self])
        if not self.is_live:
            return list(self.parts)
        parts: list[dict[str, Any]] = self.__dict__["_committed"]
        return parts

    def to_dict(self, *, content: bool = True) -> dict[str, Any]:
        """Return what a viewer may know of this message: the same in REST, events and the page.

        With `content=False` content and parts are None: no query, and no megabytes.
        """
        return described(self, content=content)

    def to_openai(self) -> dict[str, Any]:
        """Return the message as one of OpenAI's `chat.completion`; None for tokens and endings that nobody knows."""
        from converse_stream.dialects.openai import completion

        shown = completion(self.to_dict())
        tokens = (self.input_tokens, self.output_tokens)
        names = ("prompt_tokens", "completion_tokens")
        total = None if None in tokens else sum(filter(None, tokens))
        is_known = tokens != (None, None)
        shown["usage"] = {**dict(zip(names, tokens, strict=True)), "total_tokens": total} if is_known else None
        shown["choices"][0]["message"]["role"] = self.role
        if self.status != Status.COMPLETE:
            shown["choices"][0]["finish_reason"] = None
        return shown

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The parts that are tool calls, in order."""
        return [part for part in self.committed_parts() if part["type"] == "tool_call"]

    @property
    def tool_results(self) -> list[dict[str, Any]]:
        """The parts that are results of tools, in order."""
        return [part for part in self.committed_parts() if part["type"] == "tool_result"]

    def public_error(self) -> dict[str, Any] | None:
        """Return `{"code", "message", "retryable"}` of a failed message, in words fit for the public."""
        return public_error(self)

    # The public door: each of these is implemented in the layer that owns it.

    def follow(
        self, *, after: int | str = 0, timeout: float | None = None, through: Sequence[Transform] = ()
    ) -> Generator[Event, None, None]:
        """Follow the committed message from a position or cursor to its ending, by way of transforms for this viewer.

        Raise TimeoutError when nothing happened for `timeout` seconds.
        """
        from converse_stream.feed import follow

        return follow(self, after=after, timeout=timeout, through=through)

    def afollow(
        self, *, after: int | str = 0, timeout: float | None = None, through: Sequence[Transform] = ()
    ) -> AsyncGenerator[Event, None]:
        """Follow as `follow` does, from async code."""
        from converse_stream.feed import afollow

        return afollow(self, after=after, timeout=timeout, through=through)

    def wait(self, timeout: float | None = None) -> Message:
        """Wait for the ending and return the message as it then is. Raise TimeoutError after `timeout` seconds."""
        from converse_stream.feed import wait

        return wait(self, timeout)

    async def await_ending(self, timeout: float | None = None) -> Message:  # noqa: ASYNC109 - the twin of wait()
        """Wait as `wait` does, from async code."""
        from converse_stream.feed import await_ending

        return await await_ending(self, timeout)

    def cancel(self) -> bool:
        """Stop a live message from any process; its committed text is kept. Return whether this call ended it."""
        from converse_stream.models.endings import cancel

        return cancel(self)

    async def acancel(self) -> bool:
        """Stop as `cancel` does, from async code."""
        from converse_stream.models.endings import acancel

        return await acancel(self)

    def retry(self, **options: Any) -> Message:
        """Answer the same question again beside this answer. Return the new message."""
        from converse_stream.asking import retry

        return retry(self, **options)

    async def aretry(self, **options: Any) -> Message:
        """Answer again as `retry` does, from async code."""
        from converse_stream.asking import aretry

        return await aretry(self, **options)

    def edit(self, content: str, **options: Any) -> Message:
        """Ask in other words, beside this user message: a new branch. Return its answer's message."""
        from converse_stream.asking import edit

        return edit(self, content, **options)

    async def aedit(self, content: str, **options: Any) -> Message:
        """Ask again as `edit` does, from async code."""
        from converse_stream.asking import aedit

        return await aedit(self, content, **options)

    def stream_response(self, **options: Any) -> EventStreamResponse:
        """Return an HTTP response that follows this message."""
        from converse_stream.responses import EventStreamResponse

        return EventStreamResponse(self, **options)
