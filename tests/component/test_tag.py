"""`{% converse_chat %}`: what the server writes before any script runs."""

import json
import re
from base64 import b64encode
from hashlib import sha384
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import include, path
from django.utils import translation

import converse_stream
from converse_stream.component import WORDS
from converse_stream.models import Conversation

pytestmark = pytest.mark.django_db

STATIC = Path(converse_stream.__file__).parent / "static" / "converse_stream"
HOSTILE = "</template></script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028\u202e&amp;"


class Site:
    urlpatterns = [
        path("api/", include("converse_stream.api.urls")),
        path("chat/", include("converse_stream.pages.urls")),
    ]


class WithoutPages:
    urlpatterns = [path("somewhere/else/", include("converse_stream.api.urls"))]


@pytest.fixture(autouse=True)
def mounted(settings):
    settings.ROOT_URLCONF = Site


def render(user, conversation=None, options=""):
    request = RequestFactory().get("/")
    request.user = user
    tag = f"{{% load converse %}}{{% converse_chat conversation {options} %}}"
    return Template(tag).render(Context({"request": request, "conversation": conversation, "csrf_token": "token"}))


def data(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])


@pytest.fixture
def conversation(user):
    conversation = Conversation.objects.create(owner=user)
    conversation.add_user_message("What is a fjord?")
    conversation.add_assistant_message("A long, **narrow** inlet.")
    return conversation


def test_the_history_is_on_the_page_as_text(user, conversation):
    page = render(user, conversation)

    assert page.count("<article") == 2
    assert ">What is a fjord?</div>" in page
    assert ">A long, **narrow** inlet.</div>" in page
    assert 'data-api="/api/"' in page
    assert f'action="/chat/{conversation.pk}/"' in page
    assert "csrfmiddlewaretoken" in page


def test_hostile_text_stays_text(user):
    conversation = Conversation.objects.create(owner=user, title=HOSTILE)
    conversation.add_user_message(HOSTILE)
    with conversation.start_stream() as stream:
        stream.append(HOSTILE).reasoning(HOSTILE).tool_call("1", HOSTILE, {HOSTILE: HOSTILE}).data(HOSTILE, HOSTILE)

    page = render(user, conversation, f'suggestions="{HOSTILE}"|make_list')

    assert "<img" not in page
    assert page.count("<script") == 2  # the module, and the data
    assert page.count("</template>") == 1


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(user, conversation):
    page = render(user, conversation)

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://|//\w", page)
    assert re.findall(r"<script(?! type=\"application/json\")[^>]*>", page) == [
        '<script type="module" src="/static/converse_stream/chat.js">'
    ]


@pytest.mark.parametrize("who", ["another user", "staff", "nobody"])
def test_somebody_elses_conversation_does_not_exist(who, conversation):
    users = {
        "another user": lambda: User.objects.create_user("eve"),
        "staff": lambda: User.objects.create_superuser("root"),
        "nobody": AnonymousUser,
    }

    with pytest.raises(Http404):
        render(users[who](), conversation)


def test_a_deleted_conversation_does_not_exist(user, conversation):
    conversation.soft_delete()

    with pytest.raises(Http404):
        render(user, conversation)


def test_a_page_without_a_conversation_begins_one(user):
    page = render(user, None, 'page="/talk/{id}/"')

    assert 'data-conversation=""' in page
    assert 'data-page="/talk/{id}/"' in page
    assert 'action="/chat/new/"' in page


def test_a_thousand_messages_cost_the_queries_of_one(user, conversation, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        render(user, conversation)
    for number in range(60):
        conversation.add_user_message(f"{number}")

    with django_assert_max_num_queries(4):
        page = render(user, conversation)

    assert page.count("<article") == 62


def test_of_a_very_long_conversation_the_newest_part_is_shown_and_a_link_to_the_rest(user, conversation):
    for number in range(10):
        conversation.add_user_message(f"{number}")

    page = render(user, conversation, "limit=5")

    assert page.count("<article") == 5
    assert re.search(rf'href="/chat/{conversation.pk}/\?before=[0-9a-f-]+"', page)
    assert data(page)["others"] == []


def test_of_other_branches_the_page_knows_the_places_only(user, conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    question = conversation.messages.user().get()
    answer = question.edit("What is a lake?")

    page = render(user, conversation)

    assert "What is a lake?" in page
    assert "What is a fjord?" not in page
    assert {row[0] for row in data(page)["others"]} == {
        str(question.pk),
        *map(str, question.children.values_list("pk", flat=True)),
    }
    assert f'data-message="{answer.pk}"' in page
    assert "What is a fjord?" in render(user, conversation, f'through="{question.pk}"')


def test_staff_see_figures_and_nobody_else(user, conversation):
    message = conversation.messages.assistant().get()
    type(message)._base_manager.filter(pk=message.pk).update(cost="0.00125", output_tokens=7)
    assert "0.00125" not in render(user, conversation)

    user.is_staff = True

    with translation.override("de"):
        assert 'data-cost="0.00125000"' in render(user, conversation)


def test_the_pages_are_not_needed(user, conversation, settings):
    settings.ROOT_URLCONF = WithoutPages

    page = render(user, conversation)

    assert 'data-api="/somewhere/else/"' in page
    assert " action=" not in page


def test_what_is_missing_is_told(user, conversation, settings):
    with pytest.raises(ImproperlyConfigured, match=r"context_processors\.request"):
        Template("{% load converse %}{% converse_chat conversation %}").render(Context({"conversation": conversation}))

    settings.ROOT_URLCONF = type("Nothing", (), {"urlpatterns": []})

    with pytest.raises(ImproperlyConfigured, match=r"converse_stream\.api\.urls"):
        render(user, conversation)


def test_every_word_of_the_script_is_translated():
    modules = [*STATIC.glob("*.js"), *STATIC.glob("chat/*.js"), *STATIC.glob("markdown/*.js")]
    said = {
        word
        for module in modules
        for call in re.findall(r"\bt\(((?:[^()\"]|\"[^\"]*\")*)", module.read_text())
        for word in re.findall(r'"([^"]+)"', call)
    }

    assert sorted(said) == list(WORDS) == sorted(WORDS)


@pytest.mark.parametrize("name", ["marked", "highlight"])
def test_the_libraries_that_are_shipped_are_those_that_are_named(name):
    directory = STATIC / "vendor" / name
    modules = sorted(directory.glob("*.js"))
    told = (directory / "README.md").read_text()

    assert modules
    for module in modules:
        digest = b64encode(sha384(module.read_bytes()).digest()).decode()
        assert f"sha384-{digest}" in told, module.name
    assert (directory / "LICENSE").exists()
