"""The messages page: how each answer went, and what has been said so far."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from converse_stream.admin.attempts import AttemptTable
from converse_stream.admin.base import Inspection
from converse_stream.admin.cells import (
    EMPTY,
    json_block,
    last_chunks,
    link,
    text_block,
    username,
    username_lookup,
)
from converse_stream.admin.filters import ErrorFilter, ModelFilter, ProviderFilter
from converse_stream.events import dumps, text_of
from converse_stream.models import LIVE_STATUSES, Chunk, Message
from converse_stream.state import public_parts


@admin.register(Message)
class MessageAdmin(Inspection):
    """Messages can be looked at; they go with their conversation, never one by one."""

    long_columns = (
        *("content", "parts", "metadata", "timeline", "error_message"),
        *("conversation__system_prompt", "conversation__options", "conversation__metadata"),
    )
    id_columns = ("pk", "conversation_id")
    actions = None
    inlines = (AttemptTable,)
    list_display = (
        *("name", "conversation_name", "owner_name", "status", "provider", "model"),
        *("delta_count", "committed_length", "seconds", "tokens", "cost", "error_code", "created_at"),
    )
    list_select_related = ("conversation__owner",)
    list_filter = ("status", ProviderFilter, ModelFilter, ErrorFilter, "created_at")
    ordering = ("-created_at",)
    readonly_fields = (
        *("conversation_link", "owner_name", "parent_link", "text", "parts_json", "metadata_json", "timeline_json"),
        *("error", "chunk_table", "committed_length", "seconds"),
    )
    fieldsets = (
        (None, {"fields": ("id", "conversation_link", "owner_name", "number", "parent_link", "role", "status")}),
        (_("Text so far"), {"fields": ("text",)}),
        (
            _("Model"),
            {"fields": ("provider", "model", "finish_reason", "finish_reason_raw", "error_code", "error")},
        ),
        (
            _("Figures"),
            {
                "fields": (
                    *("delta_count", "committed_length", "seconds", "input_tokens", "output_tokens"),
                    *("cached_tokens", "reasoning_tokens", "cost", "claims", "lease_expires_at"),
                    *("created_at", "started_at", "first_delta_at", "finished_at"),
                )
            },
        ),
        (_("Record"), {"fields": ("parts_json", "metadata_json", "chunk_table", "timeline_json")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Return the messages, each with its committed length: the row of a live one does not know it yet."""
        newest = Chunk.objects.filter(message=OuterRef("pk")).order_by("-start").values("end")[:1]
        live = When(status__in=LIVE_STATUSES, then=Coalesce(Subquery(newest), 0))
        rows: QuerySet[Message] = super().get_queryset(request)
        return rows.annotate(committed=Case(live, default=F("length")))

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search the conversation's title and its owner's name; a uuid is looked up by itself."""
        return ("conversation__title", username_lookup("conversation__owner"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the message, without a button to delete it."""
        context = {**(extra_context or {}), "show_delete": False}
        return super().change_view(request, object_id, form_url, context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Refuse: answers hang on their questions. (The permission itself stays: deleting a user asks for it.)"""
        raise PermissionDenied

    @admin.display(description=_("message"), ordering="number")
    def name(self, message: Message) -> str:
        """Return the number and the role."""
        return f"{message.number} {message.get_role_display()}"

    @admin.display(description=_("conversation"), ordering="conversation__title")
    def conversation_name(self, message: Message) -> str:
        """Return the conversation's title, or its id."""
        return str(message.conversation)

    @admin.display(description=_("conversation"))
    def conversation_link(self, message: Message) -> str:
        """Return a link to the conversation."""
        return link(message.conversation, str(message.conversation))

    @admin.display(description=_("owner"))
    def owner_name(self, message: Message) -> str:
        """Return the name of the conversation's owner."""
        return username(message.conversation.owner)

    @admin.display(description=_("parent"))
    def parent_link(self, message: Message) -> str:
        """Return a link to the message this one follows."""
        parent = Message(pk=message.parent_id) if message.parent_id else None
        return link(parent, str(message.parent_id))

    @admin.display(description=_("length"), ordering="committed")
    def committed_length(self, message: Message) -> int:
        """Return how many positions are committed."""
        committed: int = getattr(message, "committed", message.length)
        return committed

    @admin.display(description=_("duration"), ordering="duration")
    def seconds(self, message: Message) -> str:
        """Return the duration in seconds."""
        return EMPTY if message.duration is None else f"{message.duration:.2f} s"

    @admin.display(description=_("tokens in / out"))
    def tokens(self, message: Message) -> str:
        """Return the tokens the provider counted."""
        counts = (message.input_tokens, message.output_tokens)
        return " / ".join(EMPTY if count is None else str(count) for count in counts)

    @admin.display(description=_("text"))
    def text(self, message: Message) -> str:
        """Return the committed text."""
        return text_block(text_of(message.committed_parts()) if message.is_live else message.content)

    @admin.display(description=_("error message"))
    def error(self, message: Message) -> str:
        """Return the error in the words meant for staff."""
        return text_block(message.error_message)

    @admin.display(description=_("parts"))
    def parts_json(self, message: Message) -> str:
        """Return the committed parts, without a provider's opaque state."""
        return json_block(public_parts(message.committed_parts()))

    @admin.display(description=_("metadata"))
    def metadata_json(self, message: Message) -> str:
        """Return the metadata."""
        return json_block(message.metadata)

    @admin.display(description=_("timeline"))
    def timeline_json(self, message: Message) -> str:
        """Return when how much had been written: pairs of milliseconds and position."""
        return text_block(dumps(message.timeline) if message.timeline else "")

    @admin.display(description=_("last chunks"))
    def chunk_table(self, message: Message) -> str:
        """Return the newest stored rows."""
        return last_chunks(message)
