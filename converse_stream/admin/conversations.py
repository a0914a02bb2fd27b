"""The conversations page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from converse_stream.admin.base import Inspection
from converse_stream.admin.cells import json_block, text_block, username, username_lookup
from converse_stream.models import Conversation, Message


@admin.register(Conversation)
class ConversationAdmin(Inspection):
    """Conversations can be looked at, and deleted by who may do that."""

    long_columns = ("system_prompt", "options", "metadata")
    list_display = ("name", "owner_name", "model", "last_number", "created_at", "updated_at", "deleted_at")
    list_select_related = ("owner",)
    list_filter = ("created_at", "updated_at", ("deleted_at", admin.EmptyFieldListFilter))
    ordering = ("-updated_at",)
    readonly_fields = ("owner_name", "messages_link", "prompt", "options_json", "metadata_json")
    fieldsets = (
        (None, {"fields": ("id", "title", "owner_name", "messages_link", "subject_type", "subject_id")}),
        (_("Model"), {"fields": ("model", "prompt", "options_json")}),
        (_("Record"), {"fields": ("metadata_json", "last_number", "revision")}),
        (_("Times"), {"fields": ("created_at", "updated_at", "deleted_at")}),
    )

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Search the title and the owner's name; a uuid is looked up by itself."""
        return ("title", username_lookup("owner"))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, dict[str, int], set[str], list[str]]:
        """Return what a deletion takes along, counted: a listing would read every chunk ever stored."""
        conversations = list(objs)
        counts = {
            str(Conversation._meta.verbose_name_plural): len(conversations),
            str(Message._meta.verbose_name_plural): Message.objects.filter(conversation__in=conversations).count(),
        }
        return [str(conversation) for conversation in conversations], counts, set(), []

    @admin.display(description=_("conversation"), ordering="title")
    def name(self, conversation: Conversation) -> str:
        """Return the title, or the id of one that has none."""
        return str(conversation)

    @admin.display(description=_("owner"))
    def owner_name(self, conversation: Conversation) -> str:
        """Return the owner's name."""
        return username(conversation.owner)

    @admin.display(description=_("messages"))
    def messages_link(self, conversation: Conversation) -> str:
        """Return a link to the list of the conversation's messages."""
        page = reverse("admin:converse_stream_message_changelist")
        target = f"{page}?conversation__id__exact={conversation.pk}"
        return format_html('<a href="{}">{}</a>', target, conversation.last_number)

    @admin.display(description=_("system prompt"))
    def prompt(self, conversation: Conversation) -> str:
        """Return the system prompt."""
        return text_block(conversation.system_prompt)

    @admin.display(description=_("options"))
    def options_json(self, conversation: Conversation) -> str:
        """Return the default options."""
        return json_block(conversation.options)

    @admin.display(description=_("metadata"))
    def metadata_json(self, conversation: Conversation) -> str:
        """Return the metadata."""
        return json_block(conversation.metadata)
