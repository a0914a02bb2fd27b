"""Message: one utterance, and, while it is live, the stream that everybody follows."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Generator, Iterable
from typing import TYPE_CHECKING, Any

from django.db import connections, models, router
from django.utils.translation import gettext_lazy as _

from converse_stream.conf import settings
from converse_stream.events import Event, text_of, width
from converse_stream.exceptions import BY_CODE, InternalError
from converse_stream.models.choices import LIVE_STATUSES, Role, Status
from converse_stream.models.content import ContentField
from converse_stream.models.querysets import MessageQuerySet
from converse_stream.state import public_parts

if TYPE_CHECKING:
    from converse_stream.responses import EventStreamResponse


SITE_FIELDS = ("metadata", "client_key", "request_fingerprint", "updated_at")
"""What a site may change of a message that the recorder writes."""


class Message(models.Model):
    """One message of a conversation. It only grows, ends once, and never changes after its ending."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey("Conversation", models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", models.RESTRICT, null=True, blank=True, related_name="children")
    number = models.PositiveIntegerField(help_text=_("1-based order in the conversation"))
    role = models.CharField(max_length=16, choices=Role.choices)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.COMPLETE)
    live_in = models.OneToOneField("Conversation", models.CASCADE, null=True, blank=True, related_name="+")
    content = ContentField(blank=True)
    parts = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    provider = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=200, blank=True)
    finish_reason = models.CharField(max_length=16, blank=True)
    finish_reason_raw = models.CharField(max_length=100, blank=True)
    error_code = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True, help_text=_("for staff; never shown to viewers"))

    delta_count = models.PositiveIntegerField(default=0)
    length = models.PositiveIntegerField(default=0, help_text=_("positions: characters and calls"))
    started_at = models.DateTimeField(null=True, blank=True)
    first_delta_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True, help_text=_("seconds"))
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)
    timeline = models.JSONField(default=list, blank=True, help_text=_("[milliseconds since the start, position] pairs"))

    lease_holder = models.CharField(max_length=32, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    claims = models.PositiveIntegerField(default=0)
    client_key = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs may repeat
    request_fingerprint = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

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

    def __str__(self) -> str:
        return f"{self.role} {self.number} ({self.status})"

    def save(self, **options: Any) -> None:
        """Save the row; of one that has had a writer only what the site may change, as the rest is the writer's."""
        if self.lease_holder and not self._state.adding:
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
            if isinstance(field, models.ForeignKey) and field.is_cached(self):
                field.delete_cached_value(self)
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
        waiting = connections[router.db_for_write(Message)].run_on_commit
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
        parts = public_parts(self.committed_parts()) if content else None
        text = text_of(parts) if parts is not None and self.is_live else self.content if content else None
        public = set(settings.PUBLIC_METADATA)
        return {
            "id": str(self.pk),
            "conversation": str(self.conversation_id),
            "parent": str(self.parent_id) if self.parent_id else None,
            "number": self.number,
            "role": self.role,
            "status": self.status,
            "content": text,
            "parts": parts,
            "metadata": {key: value for key, value in self.metadata.items() if key in public},
            "provider": self.provider,
            "model": self.model,
            "finish_reason": self.finish_reason or None,
            "error": self.public_error(),
            "length": sum(map(width, parts)) if parts is not None and self.is_live else self.length,
            "delta_count": self.delta_count,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "duration": self.duration,
            "created_at": self.created_at.isoformat(),
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
        }

    def public_error(self) -> dict[str, Any] | None:
        """Return `{"code", "message", "retryable"}` of a failed message, in words fit for the public."""
        if self.status != Status.FAILED:
            return None
        error = BY_CODE.get(self.error_code, InternalError)
        return {"code": self.error_code, "message": str(error.public), "retryable": error.retryable}

    # The public door: each of these is implemented in the layer that owns it.

    def follow(self, *, after: int | str = 0, timeout: float | None = None) -> Generator[Event, None, None]:
        """Follow the committed message from a position or cursor to its ending.

        Raise TimeoutError when nothing happened for `timeout` seconds.
        """
        from converse_stream.feed import follow

        return follow(self, after=after, timeout=timeout)

    def afollow(self, *, after: int | str = 0, timeout: float | None = None) -> AsyncGenerator[Event, None]:
        """Follow as `follow` does, from async code."""
        from converse_stream.feed import afollow

        return afollow(self, after=after, timeout=timeout)

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
