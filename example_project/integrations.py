"""A page for each way to build one's own: a bare script, Vue, htmx, AI SDK's protocol. Asking needs no script."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from converse_stream.events import TEXT_KINDS
from converse_stream.exceptions import ConverseError
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.committed import load_committed

SUGGESTIONS = [
    "What is converse_stream?",
    "How do I resume after a reload?",
    "/long 400",
    "/think What is a cursor?",
    "/fail",
]
SHOWN_MESSAGES = 200
SHOWN_CONVERSATIONS = 50
NOTES: dict[str, str] = {
    "cancelled": "Stopped.",
    "length": "The answer reached its length limit.",
    "content_filter": "A content filter withheld the rest.",
}


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show where to go."""
    return render(request, "example/home.html")


@login_required
def component(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Show the component in a page that is about something else."""
    mine = Conversation.objects.for_user(request.user)
    context = {"conversation": get_object_or_404(mine, pk=pk) if pk else None, "suggestions": SUGGESTIONS}
    return render(request, "example/component.html", context)


@login_required
def bare(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Show a page whose script does it all by itself, in a few hundred lines."""
    opening = Message.objects.user().filter(conversation=OuterRef("pk")).order_by("number")
    mine = Conversation.objects.for_user(request.user)
    listed = mine.annotate(opening=Subquery(opening.values(opening=Substr("content", 1, 80))[:1]))
    return _talk(request, pk, "bare", {"conversations": listed.recent(SHOWN_CONVERSATIONS)})


@login_required
def vue(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Show a page of Vue's."""
    return _talk(request, pk, "vue", {})


@login_required
def htmx(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Show a page that swaps in what it is sent: no script of its own."""
    return _talk(request, pk, "htmx", {})


@login_required
def ai_sdk(request: HttpRequest) -> HttpResponse:
    """Show a page that speaks AI SDK's protocol."""
    return render(request, "example/ai_sdk.html")


def _talk(request: HttpRequest, pk: UUID | None, name: str, more: dict[str, Any]) -> HttpResponse:
    """Show a conversation as far as it is committed, or an empty page to begin one; the script goes on from there.

    A browser without the script posts the form here, and htmx does, too, for the messages alone.
    """
    conversation = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk) if pk else None
    draft = problem = ""
    if request.method == "POST":
        draft = request.POST.get("content", "")
        try:
            answer = _ask(request, conversation, draft)
        except ConverseError as error:
            problem = str(error.public)
        else:
            address = reverse(f"{name}-conversation", args=[answer.conversation_id])
            return _swapped(request, answer, address) if _by_htmx(request) else redirect(address)
    context = {
        "conversation": conversation,
        "messages_shown": _shown(conversation.messages.recent(SHOWN_MESSAGES)) if conversation else [],
        "draft": draft,
        "problem": problem,
        **more,
    }
    # htmx shows what was refused beside the form; with 200, as it swaps nothing else in.
    template = "example/htmx_problem.html" if _by_htmx(request) else f"example/{name}.html"
    return render(request, template, context)


def _by_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _swapped(request: HttpRequest, answer: Message, address: str) -> HttpResponse:
    messages = [message for message in (answer.parent, answer) if message]
    context = {"messages_shown": _shown(messages), "conversation": answer.conversation, "address": address}
    response = render(request, "example/htmx_asked.html", context)
    response["HX-Push-Url"] = address
    return response


@transaction.atomic
def _ask(request: HttpRequest, conversation: Conversation | None, content: str) -> Message:
    """Ask in a conversation, or in a new one that exists only if the question is accepted."""
    conversation = conversation or Conversation.objects.create(owner_id=request.user.pk)
    return conversation.ask(content)


def _shown(messages: list[Message]) -> list[dict[str, Any]]:
    said = [message for message in messages if message.role in (Role.USER, Role.ASSISTANT)]
    load_committed(said)
    return [
        {**message.to_dict(), "sections": list(map(_section, message.committed_parts())), "note": _note(message)}
        for message in said
    ]


# The next two say on the server what chat.js says in the browser.


def _section(part: Mapping[str, Any]) -> dict[str, str]:
    """Return a part as the page shows it: a text, under a summary if it is to be folded."""
    kind = part["type"]
    if kind in TEXT_KINDS:
        return {"kind": kind, "summary": "" if kind == "text" else "Thinking", "text": part["text"]}
    value = part.get({"tool_call": "arguments", "tool_result": "result"}.get(kind, "value"))
    summary = f"{kind.replace('_', ' ').capitalize()}: {part.get('name', '')}"
    return {"kind": "value", "summary": summary, "text": json.dumps(value, ensure_ascii=False, indent=2)}


def _note(message: Message) -> str:
    """Return what is to be said below a message that did not simply end."""
    if error := message.public_error():
        return str(error["message"])
    return NOTES.get(message.status, NOTES.get(message.finish_reason, ""))
