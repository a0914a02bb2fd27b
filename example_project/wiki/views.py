"""The wiki's pages. Whoever has signed in may read all of it and ask; only who asked first may stop the answer.

A GET shows and follows. Only a POST asks, and it leads to the answer that is there if the question has one.
"""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from converse_stream.exceptions import ConverseError
from converse_stream.responses import follow_response
from example_project.wiki.asking import NothingFound, ask
from example_project.wiki.markdown import answer_html, page_html
from example_project.wiki.models import Page, Question
from example_project.wiki.search import search

FOUND = 20
LISTED = 100
PREVIEW = 200
NO_ANSWER = "The wiki has no answer to this yet. The passages below may help, and you can ask again."
"""What a reader sees in place of an answer that failed. It is said here, and stored nowhere."""


class SearchForm(forms.Form):
    """What a reader looks for."""

    q = forms.CharField(max_length=200, required=False)


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List the pages, or what a search finds."""
    form = SearchForm(request.GET)
    wanted = form.cleaned_data["q"] if form.is_valid() else ""
    found = search(wanted, FOUND) if wanted else []
    context = {"pages": Page.objects.defer("source"), "wanted": wanted, "found": found, "form": form}
    return render(request, "wiki/index.html", context)


@login_required
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a page and what has been asked under it. A POST asks, and leads to the answer."""
    shown = get_object_or_404(Page, slug=slug)
    problem, draft = "", ""
    if request.method == "POST":
        draft = request.POST.get("question", "")
        try:
            return redirect(ask(shown, draft, _reader(request)))
        except NothingFound:
            problem = "No passage of the wiki has to do with this. Try other words."
        except ConverseError as error:
            problem = str(error.public)
    context = {
        "page": shown,
        "html": page_html(shown.source, shown.slug, _addresses().get),
        "questions": Question.objects.with_status().filter(page=shown, conversation__deleted_at=None)[:LISTED],
        "problem": problem,
        "draft": draft,
    }
    return render(request, "wiki/page.html", context, status=422 if problem else 200)


@login_required
@never_cache
@require_safe
def question(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a question with its answer as far as it is committed; the script goes on from there."""
    asked = _question(pk)
    told = asked.answer.to_dict()
    sources = _sources(asked)
    links = {source["number"]: source["url"] for source in sources if source["url"]}
    context = {
        "question": asked,
        "answer": told,
        "is_live": not told["finished_at"],
        "html": answer_html(told["content"], links),
        "sources": sources,
        "no_answer": NO_ANSWER if told["status"] == "failed" else "",
        "may_stop": asked.asked_by_id == request.user.pk,
    }
    return render(request, "wiki/question.html", context)


@login_required
@require_safe
def stream(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Follow the answer, from `?after=` or `Last-Event-ID` on."""
    return follow_response(request, _question(pk).answer)


@login_required
@never_cache
@require_safe
def progress(request: HttpRequest, pk: int) -> JsonResponse:
    """Say how far the answer is."""
    asked = _question(pk)
    told = asked.answer.to_dict()
    return JsonResponse(
        {
            "question": asked.pk,
            "answer": told["id"],
            "status": told["status"],
            "error": told["error"],
            "content_length": len(told["content"]),
            "preview": told["content"][:PREVIEW],
            "cursor": f"{told['id']}.{told['length'] if not told['finished_at'] else 'end'}",
            "stream_url": reverse("wiki:stream", args=[asked.pk]),
            "url": asked.get_absolute_url(),
        }
    )


@login_required
@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the answer; its text stays."""
    asked = get_object_or_404(Question, pk=pk, asked_by=_reader(request))
    asked.answer.cancel()
    return redirect(asked)


def _question(pk: int) -> Question:
    shown = Question.objects.select_related("conversation", "page").filter(conversation__deleted_at=None)
    return get_object_or_404(shown, pk=pk)


def _reader(request: HttpRequest) -> Any:
    return request.user


def _addresses() -> dict[str, str]:
    """Return the URL of each page by its slug."""
    return {slug: reverse("wiki:page", args=[slug]) for slug in Page.objects.values_list("slug", flat=True)}


def _sources(asked: Question) -> list[dict[str, Any]]:
    """Return what the answer may cite; a page that is gone has no URL."""
    addresses = _addresses()
    return [
        {
            "number": number,
            "heading": source["heading"],
            "url": f"{addresses[source['slug']]}#{source['anchor']}" if source["slug"] in addresses else "",
        }
        for number, source in enumerate(asked.sources, 1)
    ]
