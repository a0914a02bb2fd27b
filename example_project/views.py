"""Signing in, and `stream_response` in each kind of view there is: sync, async and Django REST framework."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_POST
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from converse_stream.api.errors import PublicErrors
from converse_stream.api.fields import CleanTextField
from converse_stream.models import Conversation

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


class SignIn(LoginView):
    """Ask for a name and a password."""

    template_name = "example/login.html"
    redirect_authenticated_user = True
    extra_context = {"is_demo": settings.DEBUG}
