"""Who sees a page: its owner, signed in. What belongs to somebody else does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from converse_stream.models import Conversation, Message, Role
from converse_stream.models.querysets import ConversationQuerySet, MessageQuerySet

Given = ParamSpec("Given")
View = Callable[Concatenate[HttpRequest, Given], HttpResponse]


def page(*methods: str) -> Callable[[View[Given]], View[Given]]:
    """Make a view a page: for somebody signed in, by these methods, in no cache, posted to from our own forms only."""

    def decorate(view: View[Given]) -> View[Given]:
        return require_http_methods(methods)(never_cache(csrf_protect(login_required(view))))

    return decorate


def own_conversations(request: HttpRequest) -> ConversationQuerySet:
    """Return the conversations of who asks."""
    return Conversation.objects.for_user(request.user)


def own_messages(request: HttpRequest, *roles: str) -> MessageQuerySet:
    """Return the messages of these roles of who asks."""
    return Message.objects.for_user(request.user).filter(role__in=roles).select_related("conversation", "parent")


SHOWN_ROLES = (Role.USER, Role.ASSISTANT, Role.TOOL)
"""System messages speak to the model only."""
