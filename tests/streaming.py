"""Views of a user's site, one of each kind, whose answer goes on when the test says so."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from converse_stream.models import Conversation, Message

WORDS = ("one ", "two ", "three ", "four")


def gated(gate: str) -> Iterator[str]:
    """Yield two words, and the others once the file `gate` exists."""
    yield from WORDS[:2]
    until = time.monotonic() + 60
    while not Path(gate).exists() and time.monotonic() < until:
        time.sleep(0.01)
    yield from WORDS[2:]


async def agated(gate: str) -> AsyncIterator[str]:
    words = gated(gate)
    while word := await sync_to_async(next, thread_sensitive=False)(words, ""):
        yield word


@csrf_exempt
def sync_view(request: HttpRequest) -> HttpResponseBase:
    conversation = Conversation.objects.create()
    return conversation.stream_response("go", source=gated(request.GET["gate"]))


@csrf_exempt
async def async_view(request: HttpRequest) -> HttpResponseBase:
    conversation = await Conversation.objects.acreate()
    return await conversation.astream_response("go", source=agated(request.GET["gate"]))


class DRFView(APIView):
    permission_classes = (AllowAny,)
    authentication_classes = ()

    def post(self, request: Request) -> HttpResponseBase:
        conversation = Conversation.objects.create()
        return conversation.stream_response("go", source=gated(request.GET["gate"]))


def follow(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A view of a site's own, which lets everybody look."""
    return Message.objects.get(pk=pk).stream_response()


async def afollow(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    message = await Message.objects.aget(pk=pk)
    return message.stream_response()


def signed_in(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A view of a site's own that asks who it is, and says nothing about it to the response."""
    message = get_object_or_404(Message.objects.for_user(request.user), pk=pk)
    return message.stream_response(dialect=request.GET.get("dialect", "native"), on_disconnect="cancel")


def shouted(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A view that passes on what the response says, in its own way."""
    response = Message.objects.get(pk=pk).stream_response()

    async def shout() -> AsyncIterator[bytes]:
        async for part in response:
            yield part.upper()

    return StreamingHttpResponse(shout())


urlpatterns = [
    path("follow/<uuid:pk>/", follow),
    path("afollow/<uuid:pk>/", afollow),
    path("signed-in/<uuid:pk>/", signed_in),
    path("shouted/<uuid:pk>/", shouted),
    path("sync/", sync_view),
    path("async/", async_view),
    path("drf/", DRFView.as_view()),
]
