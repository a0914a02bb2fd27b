"""A site whose answers are written by Celery workers, and that Celery application."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.load.settings")

from celery import Celery
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from converse_stream.asgi import converse_application

app = Celery("load", broker=os.environ["CELERY_BROKER"])
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)
app.set_default()
application = converse_application(get_asgi_application())

from converse_stream.models import Conversation, Message  # noqa: E402 - models can be imported only now


@csrf_exempt
def ask(request: HttpRequest, question: str) -> HttpResponseBase:
    return HttpResponse(str(Conversation.objects.create().ask(question, model="openai:replayed").pk))


def follow(request: HttpRequest, pk: str) -> HttpResponseBase:
    return Message.objects.get(pk=pk).stream_response()


urlpatterns = [path("ask/<question>/", ask), path("<uuid:pk>/", follow)]
