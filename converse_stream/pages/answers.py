"""What forms do to a message: stop an answer, try it again, answer anew, ask in other words."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from converse_stream import asking
from converse_stream.models import Message, Role
from converse_stream.pages.access import own_messages, page
from converse_stream.pages.talk import asked, terms


@page("POST")
def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop an answer. What has ended stays as it was."""
    message = get_object_or_404(own_messages(request, Role.ASSISTANT), pk=pk)
    try:
        message.cancel()
    except Message.DoesNotExist as error:
        raise Http404 from error  # deleted since it was looked up
    return redirect(f"{reverse('converse_pages:conversation', args=[message.conversation_id])}#m-{pk}")


@page("POST")
def retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Try an answer again, with the model it was asked of."""
    message = get_object_or_404(own_messages(request, Role.ASSISTANT), pk=pk)
    return asked(request, lambda: message.retry(**terms(request, "retry", pk)), message.conversation)


@page("POST")
def regenerate(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Answer the question of an answer once more, with the conversation's model."""
    message = get_object_or_404(own_messages(request, Role.ASSISTANT), pk=pk)
    return asked(request, lambda: asking.regenerate(message, **terms(request, "regenerate", pk)), message.conversation)


@page("POST")
def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask in other words beside a question: a new branch."""
    message = get_object_or_404(own_messages(request, Role.USER), pk=pk)
    content = request.POST.get("content", "").replace("\r\n", "\n")
    return asked(
        request,
        lambda: message.edit(content, **terms(request, "edit", pk, content)),
        message.conversation,
        draft=content,
        editing=pk,
    )
