"""A site whose one view asks and lets the caller follow: what this package does, with the same provider."""

from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

application = get_asgi_application()

from benchmarks.answer import QUESTION  # noqa: E402 - models can be imported only now
from converse_stream.models import Conversation  # noqa: E402 - as above


@csrf_exempt
async def chat(request: HttpRequest) -> HttpResponseBase:
    conversation = await Conversation.objects.acreate()
    return await conversation.astream_response(QUESTION, model="openai:replayed", request=request)


urlpatterns = [path("", chat)]
