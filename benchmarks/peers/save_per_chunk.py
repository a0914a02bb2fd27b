"""A site whose view saves the answer after each delta, and sends it on."""

import json
import os
from collections.abc import AsyncIterator

import httpx
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

application = get_asgi_application()

from benchmarks.answer import QUESTION  # noqa: E402 - after the setup, as what follows
from benchmarks.peers.models import Answer  # noqa: E402 - models can be imported only now

client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None))


@csrf_exempt
async def chat(request: HttpRequest, model: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(saved(await Answer.objects.acreate(), model), content_type="text/event-stream")


async def saved(answer: Answer, model: str) -> AsyncIterator[str]:
    async for text in deltas(model):
        answer.content += text
        await answer.asave()
        yield f"data: {json.dumps({'text': text})}\n\n"


async def deltas(model: str) -> AsyncIterator[str]:
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    async with client.stream("POST", f"{os.environ['UPSTREAM']}/chat/completions", json=body) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("data: {") and (text := json.loads(line[6:])["choices"][0]["delta"].get("content")):
                yield text


urlpatterns = [path("<str:model>", chat)]
