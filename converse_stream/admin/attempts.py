"""The attempts on a message's page: who was asked, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from converse_stream.models import Attempt, Message

if TYPE_CHECKING:
    TabularInline = admin.TabularInline[Attempt, Message]
else:
    # At run time Django's class takes no type argument.
    TabularInline = admin.TabularInline


class AttemptTable(TabularInline):
    """The calls to providers, in order."""

    model = Attempt
    ordering = ("pk",)
    extra = 0
    fields = readonly_fields = (
        *("provider", "model", "served_model", "outcome", "error_code", "started_at"),
        *("time_to_first_delta", "duration", "input_tokens", "output_tokens", "cost", "request_id"),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: they are written by whoever calls."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse, as of messages."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: they go with their message."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let who may see the message see its calls."""
        return request.user.has_perm("converse_stream.view_message")
