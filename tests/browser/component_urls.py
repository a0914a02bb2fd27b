"""The example site with one more page: the chat component in an otherwise empty page, under a strict policy."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template import engines
from django.urls import path

from converse_stream.models import Conversation
from example_project.urls import urlpatterns as example_urlpatterns

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
PAGE = """{% load converse %}<!doctype html>
<html lang="en" dir="{{ dir }}"><head><meta charset="utf-8"><title>Chat</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/example/icon.svg"><link rel="stylesheet" href="/chat-page.css"></head>
<body><main><h1 class="title">Chat</h1>
{% converse_chat conversation suggestions=suggestions page="/chat-page/{id}/" %}
</main></body></html>"""
STYLE = """html, body, main { height: 100%; margin: 0 } main { display: flex; flex-direction: column }
.title { position: absolute; clip-path: inset(50%) } converse-chat { flex: 1; min-height: 0; height: auto }
html { color-scheme: light dark }"""
SUGGESTIONS = [
    "What is converse_stream?",
    "How do I resume after a reload?",
    "/long 400",
    "/think What is the stream record?",
]


@login_required
def chat_page(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    conversation = get_object_or_404(Conversation.objects.for_user(request.user), pk=pk) if pk else None
    context = {"conversation": conversation, "suggestions": SUGGESTIONS, "dir": request.GET.get("dir", "ltr")}
    page = engines["django"].from_string(PAGE).render(context, request)
    return HttpResponse(page, headers={"Content-Security-Policy": POLICY})


def style(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(STYLE, content_type="text/css")


urlpatterns = [
    path("chat-page/", chat_page),
    path("chat-page/<uuid:pk>/", chat_page),
    path("chat-page.css", style),
    *staticfiles_urlpatterns(),  # for servers that are not runserver
    *example_urlpatterns,
]
