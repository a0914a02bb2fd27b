"""A site whose one view asks and lets the caller follow: what this package does, with the same provider."""

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from converse_stream.asgi import converse_application

application = converse_application(get_asgi_application())

from benchmarks.answer import QUESTION  # noqa: E402 - models can be imported only now
from converse_stream.models import Conversation, Message  # noqa: E402 - as above


@csrf_exempt
async def chat(request: HttpRequest, model: str) -> HttpResponseBase:
    conversation = await Conversation.objects.acreate()
    return await conversation.astream_response(QUESTION, model=f"openai:{model}", request=request)


def follow(request: HttpRequest) -> HttpResponseBase:
    return Message.objects.exclude(started_at=None).latest("started_at").stream_response(request=request)


urlpatterns = [path("", follow), path("<str:model>", chat)]
