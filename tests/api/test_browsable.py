"""REST framework's pages for people: a site that has them gets one for every path, forms included."""

import pytest
from django.urls import reverse

HTML = {"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def answer(conversation):
    return conversation.ask("Hello there")


@pytest.mark.parametrize(
    ("route", "about"),
    [
        ("conversation-list", None),
        ("conversation-detail", "conversation"),
        ("message-list", "conversation"),
        ("message-detail", "answer"),
        ("usage", None),
    ],
)
def test_what_can_be_read_has_a_page(client, conversation, answer, route, about):
    pk = {"conversation": conversation.pk, "answer": answer.pk}.get(about)

    response = client.get(reverse(f"converse_api:{route}", args=[pk] if pk else []), **HTML)

    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"Hello there" in response.content or "message" not in route


@pytest.mark.parametrize("route", ["message-retry", "message-regenerate", "message-cancel", "message-ticket"])
def test_what_can_only_be_done_says_so_on_a_page(client, answer, route):
    response = client.get(reverse(f"converse_api:{route}", args=[answer.pk]), **HTML)

    assert (response.status_code, response.headers["Content-Type"]) == (405, "text/html; charset=utf-8")


def test_a_form_on_a_page_asks(client, conversation):
    response = client.post(
        reverse("converse_api:message-list", args=[conversation.pk]),
        {"content": "Hello there", "csrfmiddlewaretoken": "x"},
        **HTML,
    )

    assert response.status_code == 202
    assert b"Hello there" in response.content
