"""What the chat component is given by the server: where to ask, what was said, and the words it speaks."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from converse_stream.models import Conversation
from converse_stream.pages.access import SHOWN_ROLES
from converse_stream.pages.branches import Tree
from converse_stream.pages.shown import shown

NOBODY = UUID(int=0)
WORDS = (
    _("A content filter withheld the rest."),
    _("Answer"),
    _("Answer anew"),
    _("Answer complete."),
    _("Answer started."),
    _("Answer stopped."),
    _("Ask again"),
    _("Cancel"),
    _("Code"),
    _("Connection lost. Trying again in {count} s…"),
    _("Connection lost. Trying again…"),
    _("Copied."),
    _("Copy"),
    _("Copy code"),
    _("Data: {name}"),
    _("Done"),
    _("Edit"),
    _("File: {name}"),
    _("Message actions"),
    _("Next version"),
    _("Not done"),
    _("Picture"),
    _("Previous version"),
    _("Sign in"),
    _("Stopped."),
    _("Table"),
    _("The answer failed."),
    _("The answer reached its length limit."),
    _("The question in other words"),
    _("The server could not be reached. Try again in a moment."),
    _("Thinking"),
    _("This conversation was deleted, or is not yours any more."),
    _("Tool"),
    _("Tool call: {name}"),
    _("Tool failed: {name}"),
    _("Tool result: {name}"),
    _("Try again"),
    _("Version {place} of {count}"),
    _("Wait for the answer, or stop it first."),
    _("You"),
    _("You are offline. The answer goes on without you."),
    _("You are signed out. Sign in again to go on."),
    _("{count} s"),
    _("{count} tokens"),
    _("{count} tokens/s"),
)
"""What the component's script says; a name in braces stands for a value."""


def given(
    request: HttpRequest,
    conversation: Conversation | None,
    *,
    through: UUID | str | None,
    page: str | None,
    limit: int,
) -> dict[str, Any]:
    """Return what the component's template shows. Raise Http404 for a conversation that is not the visitor's."""
    user = request.user
    if conversation is not None and not Conversation.objects.for_user(user).filter(pk=conversation.pk).exists():
        raise Http404
    own = reverse_page("converse_pages:conversation", str(conversation.pk if conversation else NOBODY))
    action = own if conversation else reverse_page("converse_pages:new")
    return {
        "conversation": conversation,
        "api": api_address(),
        "action": action,
        "page": page or own.replace(str(NOBODY), "{id}"),
        "is_staff": user.is_staff,
        "key": secrets.token_urlsafe(16),
        "through": through,
        **_thread(conversation, UUID(str(through)) if through else None, limit),
    }


def _thread(conversation: Conversation | None, through: UUID | None, limit: int) -> dict[str, Any]:
    words = {text: gettext(text) for text in WORDS}
    kept = {english: own for english, own in words.items() if own != english}
    if conversation is None:
        return {"shown": [], "live": None, "earlier": None, "data": {"words": kept, "others": []}}
    tree = Tree.of(conversation)
    whole = [node for node in tree.branch(through) if node.role in SHOWN_ROLES]
    branch = whole[-limit:]
    messages = shown(tree, branch)
    line = {node.pk for node in whole}
    # Of other branches only the places: their text is read when somebody turns to them.
    others = [
        [str(node.pk), str(node.parent) if node.parent else None, node.number, node.role, node.status]
        for node in tree.nodes.values()
        if node.role in SHOWN_ROLES and node.pk not in line
    ]
    return {
        "shown": messages,
        "live": next((each.message for each in messages if each.message.is_live), None),
        "earlier": branch[0].pk if len(branch) < len(whole) else None,
        "data": {"words": kept, "others": others},
    }


def api_address() -> str:
    """Return where the REST paths are mounted. Raise ImproperlyConfigured if they are not."""
    try:
        return reverse("converse_api:conversation-list").removesuffix("conversations/")
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            '{% converse_chat %} needs the REST API: path("api/", include("converse_stream.api.urls"))'
        ) from error


def reverse_page(name: str, *args: str) -> str:
    """Return the address of a page, or "" where the pages are not mounted: they are for browsers without a script."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
