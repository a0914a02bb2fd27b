"""A site whose answers say one word and then nothing, so that whoever follows them is idle. With viewers that need no
thread, and, to compare, as Django serves them."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from converse_stream.asgi import converse_application

plain = get_asgi_application()
application = converse_application(plain)

from converse_stream.models import Conversation, Message  # noqa: E402 - models can be imported only now


async def silence() -> AsyncIterator[str]:
    yield "Wait."
    await asyncio.Event().wait()


async def clock(rate: float) -> AsyncIterator[str]:
    while True:
        yield f"{time.time()} "
        await asyncio.sleep(1 / rate)


@csrf_exempt
async def ask_the_time(request: HttpRequest, rate: str) -> HttpResponseBase:
    conversation = await Conversation.objects.acreate()
    message = await conversation.aask("What time is it?", source=clock(float(rate)))
    return HttpResponse(str(message.pk))


@csrf_exempt
async def ask(request: HttpRequest) -> HttpResponseBase:
    conversation = await Conversation.objects.acreate()
    message = await conversation.aask("Well?", source=silence())
    return HttpResponse(str(message.pk))


def follow(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return Message.objects.get(pk=pk).stream_response()


@csrf_exempt
def stop(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    Message.objects.get(pk=pk).cancel()
    return HttpResponse()


urlpatterns = [
    path("<uuid:pk>/stop/", stop),
    path("", ask),
    path("busy/<rate>/", ask_the_time),
    path("<uuid:pk>/", follow),
]
