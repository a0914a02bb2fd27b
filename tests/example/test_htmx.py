"""The htmx page: HTML for what was asked, HTML for the stream."""

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from converse_stream.events import Event
from converse_stream.models import Conversation
from example_project.dialects import Fragments

pytestmark = pytest.mark.django_db

HX = {"HX-Request": "true"}


@pytest.fixture
def client(ada) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def test_a_question_is_answered_with_its_messages_and_the_page_gets_their_address(client) -> None:
    response = client.post(reverse("htmx"), {"content": "<b>/long 3"}, headers=HX)

    conversation = Conversation.objects.get()
    assert response["HX-Push-Url"] == reverse("htmx-conversation", args=[conversation.pk])
    assert response.text.count("<article") == 2
    assert "&lt;b&gt;/long 3" in response.text
    assert "<html" not in response.text


def test_a_live_answer_connects_to_its_stream(client, conversation) -> None:
    conversation.add_user_message("hello")
    with conversation.start_stream() as stream:
        page = client.get(reverse("htmx-conversation", args=[conversation.pk])).text

    address = reverse("converse_stream:follow", args=[stream.message.pk])
    assert f'hx-sse:connect="{address}?dialect=fragments"' in page


def test_a_refusal_is_shown_beside_the_form(client, settings) -> None:
    settings.CONVERSE_STREAM = {"MAX_PROMPT_CHARS": 3}

    response = client.post(reverse("htmx"), {"content": "four"}, headers=HX)

    assert 'id="problem" role="alert" hx-swap-oob="true">This message is too long.' in response.text
    assert not Conversation.objects.exists()


def test_without_the_script_the_form_asks_too(client) -> None:
    response = client.post(reverse("htmx"), {"content": "/long 3"})

    assert response.status_code == 302


@pytest.mark.parametrize("text", ["<script>", "a\nb\n\nc", "a\rb\r\nc", "data: x\n\nevent: done", "", "  two "])
def test_the_dialect_says_the_text_and_nothing_else(text) -> None:
    frame = Fragments().frame(Event("m", "text", 0, len(text), text)).decode()

    # As the specification reads an event stream.
    fields = [line.partition(": ") for line in re.split("\r\n|\r|\n", frame.removesuffix("\n\n"))]
    data = "\n".join(value for name, _colon, value in fields if name == "data")
    assert {name for name, _colon, _value in fields} == {"id", "data"}
    assert html.unescape(data) == f'<span class="text-words">{text}</span>'
    assert data.count("<") == 2


@pytest.mark.parametrize("kind", ["complete", "failed", "cancelled"])
def test_every_ending_closes_the_stream_and_takes_stop_away(kind) -> None:
    data = {"message": {}} | ({"error": {"message": "It & broke."}} if kind == "failed" else {})

    frame = Fragments().frame(Event("m", kind, 3, 3, data)).decode()

    assert frame.endswith("event: done\ndata:\n\n")
    assert 'id="stop-m" hx-swap-oob="delete"' in frame
    assert ("It &amp; broke." in frame) == (kind == "failed")
    assert ("Stopped." in frame) == (kind == "cancelled")
