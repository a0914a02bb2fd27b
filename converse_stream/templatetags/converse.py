"""`{% load converse %}{% converse_chat conversation %}`: a complete chat in any page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template import Context

from converse_stream.component import given
from converse_stream.models import Conversation

register = template.Library()


@register.inclusion_tag("converse_stream/chat.html", takes_context=True)
def converse_chat(
    context: Context,
    conversation: Conversation | None = None,
    *,
    suggestions: Iterable[str] = (),
    through: UUID | str | None = None,
    page: str | None = None,
    announce: str = "sentences",
    limit: int = 1_000,
) -> dict[str, Any]:
    """Show a conversation, or a box that begins one, to who makes the request. Raise Http404 for somebody else's.

    `suggestions` are offered while nothing was said; `through` is the id of a message whose branch is shown;
    `page` is the address, with {id} in it, that a new conversation gets;
    `announce` says what a screen reader is told while an answer grows: "sentences", "done" or "off";
    `limit` is how many messages the page has.
    """
    request = context.get("request")
    if request is None:
        raise ImproperlyConfigured(
            "{% converse_chat %} needs the request: add django.template.context_processors.request"
        )
    shown = given(request, conversation, through=through, page=page, limit=limit)
    return {**shown, "suggestions": list(suggestions), "announce": announce, "csrf_token": context.get("csrf_token")}
