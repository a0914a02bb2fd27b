"""A site with django-eventstream: each delta is an event in its Django storage, so that a viewer may come back."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

application = get_asgi_application()

from django_eventstream import send_event  # noqa: E402 - it reads the settings when it is imported
from django_eventstream.views import events  # noqa: E402 - as above

from benchmarks.peers.save_per_chunk import deltas  # noqa: E402 - as above

running: set[asyncio.Task[None]] = set()


@csrf_exempt
async def chat(request: HttpRequest, model: str) -> HttpResponseBase:
    channel = str(uuid.uuid4())
    response = events(request, channels=[channel])
    response.streaming_content = begun(response.streaming_content, channel, model)
    return response


async def begun(stream: AsyncIterator[bytes], channel: str, model: str) -> AsyncIterator[bytes]:
    """Let the answer begin when its viewer is there: what is sent before is not shown to who has no event's id."""
    yield await anext(stream)
    task = asyncio.create_task(publish(channel, model))
    running.add(task)
    task.add_done_callback(running.discard)
    async for piece in stream:
        yield piece


async def publish(channel: str, model: str) -> None:
    send: Any = sync_to_async(send_event)
    async for text in deltas(model):
        await send(channel, "message", {"text": text})
    await send(channel, "message", {"done": True})


urlpatterns = [path("<str:model>", chat)]
