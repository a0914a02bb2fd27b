"""A site with dj-llm, its persistence included: it keeps the answer when it is over."""

import json
import os
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

application = get_asgi_application()

import django_llm  # noqa: E402 - models can be imported only now
from django_llm.models import Conversation  # noqa: E402 - as above

from benchmarks.answer import QUESTION  # noqa: E402 - as above

django_llm.configure(ollama_base_url=os.environ["UPSTREAM"])  # speaks Chat Completions, and wants no key


@csrf_exempt
async def chat(request: HttpRequest, model: str) -> StreamingHttpResponse:
    conversation = await Conversation.objects.acreate(model_id=f"ollama:{model}")
    return StreamingHttpResponse(streamed(conversation), content_type="text/event-stream")


async def streamed(conversation: Conversation) -> AsyncIterator[str]:
    chat = await sync_to_async(lambda: conversation.chat)()
    async for text in chat.astream(QUESTION):
        yield f"data: {json.dumps({'text': text})}\n\n"
    await sync_to_async(conversation.sync_messages)()


urlpatterns = [path("<str:model>", chat)]
