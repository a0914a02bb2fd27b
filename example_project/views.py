"""The chat page, and `stream_response` in each kind of view there is: sync, async and Django REST framework."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import aget_object_or_404, get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from converse_stream.api.errors import PublicErrors
from converse_stream.api.fields import CleanTextField
from converse_stream.events import TEXT_KINDS
from converse_stream.exceptions import ConverseError
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.committed import load_committed

SHOWN_MESSAGES = 200
SHOWN_CONVERSATIONS = 50
NOTES: dict[str, str] = {
    "cancelled": "Stopped.",
    "length": "The answer reached its length limit.",
    "content_filter": "A content filter withheld the rest.",
}


# Three views that answer with a stream of server-sent events. Try them:
#     curl -N -H "Authorization: Token …" -d message=Hello http://127.0.0.1:8000/demo/drf/<conversation id>/


@login_required
@require_POST
def ask_sync(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stream an answer from a plain view."""
    conversation = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
    return conversation.stream_response(request.POST.get("message", ""))


@login_required
@require_POST
async def ask_async(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stream an answer from an async view."""
    conversation = await aget_object_or_404(Conversation.objects.for_user(await request.auser()), pk=pk)
    return await conversation.astream_response(request.POST.get("message", ""))


class QuestionSerializer(Serializer[Any]):
    """What a client may send."""

    message = CleanTextField(allow_blank=True, trim_whitespace=False, default="")


class AnyAccept(DefaultContentNegotiation):
    """Serve a client that accepts only text/event-stream too: the stream is not rendered, and errors are JSON."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


class AskView(PublicErrors):
    """Stream an answer from a REST framework view."""

    authentication_classes = [TokenAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AnyAccept

    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        conversation = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk)
        question = QuestionSerializer(data=request.data)
        question.is_valid(raise_exception=True)
        return conversation.stream_response(question.validated_data["message"])


# The pages.


class SignIn(LoginView):
    """Ask for a name and a password."""

    template_name = "example/login.html"
    redirect_authenticated_user = True
    extra_context = {"is_demo": settings.DEBUG}


@login_required
def chat(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Show a conversation as far as it is committed, or an empty page to begin one; the script goes on from there.

    A browser without the script posts the form here.
    """
    mine = Conversation.objects.for_user(request.user)
    conversation = get_object_or_404(mine, pk=pk) if pk else None
    draft = problem = ""
    if request.method == "POST":
        draft = request.POST.get("content", "")
        try:
            return redirect("conversation", pk=_ask(request, conversation, draft).pk)
        except ConverseError as error:
            problem = str(error.public)
    question = Message.objects.user().filter(conversation=OuterRef("pk")).order_by("number")
    opening = Subquery(question.values(opening=Substr("content", 1, 80))[:1])
    context = {
        "conversation": conversation,
        "conversations": mine.annotate(opening=opening).recent(SHOWN_CONVERSATIONS),
        "messages_shown": _shown(conversation) if conversation else [],
        "draft": draft,
        "problem": problem,
    }
    return render(request, "example/chat.html", context)


@transaction.atomic
def _ask(request: HttpRequest, conversation: Conversation | None, content: str) -> Conversation:
    """Ask in a conversation, or in a new one that exists only if the question is accepted."""
    conversation = conversation or Conversation.objects.create(owner_id=request.user.pk)
    conversation.ask(content)
    return conversation


def _shown(conversation: Conversation) -> list[dict[str, Any]]:
    messages = conversation.messages.filter(role__in=(Role.USER, Role.ASSISTANT)).recent(SHOWN_MESSAGES)
    load_committed(messages)
    return [
        {**message.to_dict(), "sections": list(map(_section, message.committed_parts())), "note": _note(message)}
        for message in messages
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
