"""The list of conversations: find one, give it another name, delete it, and take that back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Exists, F, OuterRef, Subquery
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from converse_stream.cleaning import clean_text
from converse_stream.models import Conversation, Message
from converse_stream.models.querysets import ConversationQuerySet
from converse_stream.pages.access import own_conversations, page
from converse_stream.pages.cursors import after, cursor

SHOWN_CONVERSATIONS = 30
LONGEST_SEARCH = 100
OPENING = 80
"""How many characters of its first question stand for a conversation without a title."""
LONG_COLUMNS = ("system_prompt", "options", "metadata")
"""What no list shows."""


class TitleForm(forms.Form):
    """Another name for a conversation; none for the words it began with."""

    title = forms.CharField(label=_("Title"), max_length=200, required=False)

    def clean_title(self) -> str:
        """Return the title as it can be stored."""
        return clean_text(self.cleaned_data["title"])


def named(conversations: ConversationQuerySet) -> ConversationQuerySet:
    """Return the conversations with the words they began with as `opening`, and whether an answer `is_live`."""
    question = Message.objects.user().filter(conversation=OuterRef("pk")).order_by("number")
    return conversations.annotate(
        opening=Subquery(question.values(opening=Substr("content", 1, OPENING))[:1]),
        is_live=Exists(Message.objects.filter(live_in=OuterRef("pk"))),
    )


@page("GET", "HEAD")
def conversations(request: HttpRequest) -> HttpResponse:
    """Show the conversations that changed last, `?q=` those with these words in them, `?after=` the next ones."""
    words = clean_text(request.GET.get("q", "").strip()[:LONGEST_SEARCH])
    rows = named(own_conversations(request)).defer(*LONG_COLUMNS)
    if words:
        rows = rows.search(words)
    found = list(after(rows, request.GET.get("after"))[: SHOWN_CONVERSATIONS + 1])
    has_more = len(found) > SHOWN_CONVERSATIONS
    found = found[:SHOWN_CONVERSATIONS]
    context = {
        "conversations": found,
        "words": words,
        "next": cursor(found[-1]) if has_more else None,
        "now": timezone.now(),
        "is_first": "after" not in request.GET,
        "deleted": _just_deleted(request),
    }
    return render(request, "converse_stream/pages/list.html", context)


@page("GET", "HEAD", "POST")
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show a form for the title, and store what is posted."""
    conversation = get_object_or_404(named(own_conversations(request)), pk=pk)
    form = TitleForm(request.POST if request.method == "POST" else None, initial={"title": conversation.title})
    if request.method == "POST" and form.is_valid():
        rows = own_conversations(request).filter(pk=pk)
        # Whoever watches the conversation learns of it by its revision.
        rows.update(title=form.cleaned_data["title"], revision=F("revision") + 1, updated_at=timezone.now())
        return redirect("converse_pages:conversation", pk=pk)
    context: dict[str, Any] = {"conversation": conversation, "form": form}
    return render(request, "converse_stream/pages/rename.html", context, status=400 if form.errors else 200)


@page("POST")
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a conversation, and lead to the list, which offers to take that back."""
    get_object_or_404(own_conversations(request), pk=pk).soft_delete()
    return redirect(f"{reverse('converse_pages:list')}?deleted={pk}")


@page("POST")
def restore(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give a deleted conversation back. Restoring one that is there changes nothing."""
    conversation = get_object_or_404(Conversation.objects.owned_by(request.user), pk=pk)
    conversation.restore()
    return redirect("converse_pages:conversation", pk=pk)


def _just_deleted(request: HttpRequest) -> Conversation | None:
    try:
        pk = UUID(request.GET.get("deleted", ""))
    except ValueError:
        return None
    return named(Conversation.objects.deleted_by(request.user)).filter(pk=pk).first()
