"""The page of a conversation, and the page that begins one: what was said, and a form to ask."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from django.db import router, transaction
from django.db.models.functions import Substr
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse

from converse_stream.exceptions import ConverseError
from converse_stream.limits import interrupts
from converse_stream.models import Conversation, Message
from converse_stream.models.choices import Status
from converse_stream.pages.access import SHOWN_ROLES, own_conversations, page
from converse_stream.pages.branches import Node, Tree
from converse_stream.pages.lists import LONG_COLUMNS, OPENING, named
from converse_stream.pages.shown import shown
from converse_stream.responses.refusals import error_headers, status_of

SHOWN_MESSAGES = 50
"""How many messages a page shows; a link leads to those before."""
RECENT = 30
"""How many conversations stand beside one."""
REFRESH = 3
"""Seconds after which a page is loaded again while an answer is written, by a browser that runs no script."""
_NAMESPACE = UUID("0a7c1a34-9f0f-4f59-9ad1-6a2a4a3b6b52")


@page("GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """Show an empty page; a question posted to it begins a conversation, posted twice the same one."""
    content = _content(request)
    if request.method == "POST":
        conversation = Conversation(pk=_made_up(request, content), owner_id=request.user.pk)
        return asked(request, lambda: _begin(request, conversation, content), draft=content)
    return _new_page(request)


@page("GET", "HEAD", "POST")
def conversation(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show the newest branch of a conversation, or the one through the message `?at=`; POST asks.

    `?before=` shows earlier messages, `?edit=` a form in place of a question, `?refresh=off` a page that stays put.
    """
    found = get_object_or_404(own_conversations(request), pk=pk)
    if request.method != "POST":
        return talk_page(request, found)
    content = _content(request)
    parent = _parent(request, found)
    return asked(
        request, lambda: found.ask(content, parent=parent, **terms(request, "ask", content)), found, draft=content
    )


def asked(
    request: HttpRequest, ask: Callable[[], Message], conversation: Conversation | None = None, **again: Any
) -> HttpResponse:
    """Ask, and lead to the answer; or show the page again with what was wrong, and what had been written."""
    try:
        answer = ask()
    except Conversation.DoesNotExist as error:
        raise Http404 from error  # deleted since it was looked up
    except ConverseError as error:
        status = status_of(error)
        if status is None:
            raise
        again |= {"problem": str(error.public), "status": status}
        page = talk_page(request, conversation, **again) if conversation else _new_page(request, **again)
        for name, value in error_headers(error).items():
            page[name] = value
        return page
    return redirect(f"{reverse('converse_pages:conversation', args=[answer.conversation_id])}#m-{answer.pk}")


def terms(request: HttpRequest, *what: object) -> dict[str, Any]:
    """Return the options that make a form safe to send twice, and say what happens to an answer under way."""
    key = request.POST.get("key", "")[:64]
    # With what was asked: somebody who goes back and asks something else means another question.
    client_key = "\n".join(map(str, ("page", key, *what))) if key else None
    return {"client_key": client_key, "interrupt": interrupts()}


def talk_page(
    request: HttpRequest,
    conversation: Conversation,
    *,
    draft: str = "",
    problem: str = "",
    editing: UUID | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the page of a conversation."""
    tree = Tree.of(conversation)
    editing = editing or _asked_for(request, tree, "edit")
    through = _asked_for(request, tree, "at") or editing
    whole = [node for node in tree.branch(through) if node.role in SHOWN_ROLES]
    before = _asked_for(request, tree, "before")
    branch = [node for node in whole if before is None or node.number < tree.nodes[before].number]
    messages = shown(tree, branch[-SHOWN_MESSAGES:])
    live = tree.live
    is_live = live is not None and all(each.message.pk != live.pk or each.message.is_live for each in messages)
    stays = problem or editing or request.GET.get("refresh") == "off"
    return render(
        request,
        "converse_stream/pages/conversation.html",
        {
            **_surroundings(request),
            "conversation": conversation,
            "name": _name(conversation),
            "shown": messages,
            "earlier": branch[-SHOWN_MESSAGES].pk if len(branch) > SHOWN_MESSAGES else None,
            "is_earlier": len(branch) < len(whole),
            "through": through,
            "parent": _leaf(whole) if through and whole != tree.branch() else None,
            "live": live if is_live else None,
            "live_is_elsewhere": is_live and live not in branch,
            "now": time.time_ns(),  # an address that differs in its fragment alone would not be loaded again
            "refresh": REFRESH if is_live and not stays else None,
            "editing": editing,
            "has_component": request.method != "POST" and not editing and before is None and _is_component_at_home(),
            "draft": draft,
            "problem": problem,
        },
        status=status,
    )


def _is_component_at_home() -> bool:
    """Return whether the site has what the component asks: the REST API."""
    try:
        reverse("converse_api:conversation-list")
    except NoReverseMatch:
        return False
    return True


def _new_page(request: HttpRequest, *, draft: str = "", problem: str = "", status: int = 200) -> HttpResponse:
    context = {**_surroundings(request), "draft": draft, "problem": problem}
    return render(request, "converse_stream/pages/new.html", context, status=status)


def _surroundings(request: HttpRequest) -> dict[str, Any]:
    recent = named(own_conversations(request)).defer(*LONG_COLUMNS).recent(RECENT)
    return {"recent": recent, "key": secrets.token_urlsafe(16)}


def _content(request: HttpRequest) -> str:
    # A browser sends every line break as two characters; people mean one.
    content = request.POST.get("suggestion") or request.POST.get("content", "")
    return content.replace("\r\n", "\n")


def _begin(request: HttpRequest, conversation: Conversation, content: str) -> Message:
    """Ask in a new conversation, which is there only if the question is accepted."""
    using = router.db_for_write(Conversation)
    with transaction.atomic(using=using):
        rows = Conversation.objects.using(using)
        kept, _is_new = rows.get_or_create(pk=conversation.pk, defaults={"owner_id": conversation.owner_id})
        return kept.ask(content, **terms(request, "ask", content))


def _made_up(request: HttpRequest, content: str) -> UUID:
    key = request.POST.get("key", "")[:64] or secrets.token_urlsafe(16)
    return uuid5(_NAMESPACE, f"{request.user.pk}:{key}:{content}")


def _parent(request: HttpRequest, conversation: Conversation) -> Message | None:
    """Return what a question follows that is asked in another branch than the newest. Raise Http404."""
    pk = _uuid(request.POST.get("parent", ""))
    return get_object_or_404(conversation.messages.filter(role__in=SHOWN_ROLES), pk=pk) if pk else None


def _leaf(branch: list[Node]) -> UUID | None:
    return next((node.pk for node in reversed(branch) if node.status != Status.FAILED), None)


def _asked_for(request: HttpRequest, tree: Tree, name: str) -> UUID | None:
    """Return the message that a query names. Raise Http404 for one that is not shown here."""
    if name not in request.GET:
        return None
    pk = _uuid(request.GET[name])
    if pk is None or pk not in tree.nodes or tree.nodes[pk].role not in SHOWN_ROLES:
        raise Http404
    return pk


def _name(conversation: Conversation) -> str:
    opening = conversation.messages.user().order_by("number").values_list(Substr("content", 1, OPENING))
    return conversation.title or next((words for (words,) in opening[:1]), "")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
