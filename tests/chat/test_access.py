"""Who may open which page and post to which form: every route, every kind of person."""

import pytest
from django.test import Client
from django.urls import reverse

from converse_stream.models import Conversation, Message
from converse_stream.pages import urls
from tests.records import person

pytestmark = pytest.mark.django_db

MATRIX = {
    "list": {"GET": 200},
    "new": {"GET": 200, "POST": 302},
    "conversation": {"GET": 200, "POST": 302},
    "rename": {"GET": 200, "POST": 302},
    "delete": {"POST": 302},
    "restore": {"POST": 302},
    "stop": {"POST": 302},
    "retry": {"POST": 302},
    "regenerate": {"POST": 302},
    "edit": {"POST": 302},
}
OPEN_TO_ALL = {"list", "new"}
CASES = [(route, method) for route, methods in MATRIX.items() for method in methods]
POSTED = {"content": "Hello", "title": "Hello", "key": "k"}


@pytest.fixture
def call(owner, stranger, conversation):
    answer = conversation.ask("Hi")
    people = {"owner": owner, "stranger": stranger, "staff": person("staff", is_staff=True)}

    def call(who: str, route: str, method: str, pk: object = None, **options: bool):
        client = Client(**options)
        if who in people:
            client.force_login(people[who])
        message = {"edit": answer.parent_id, "stop": answer.pk, "retry": answer.pk, "regenerate": answer.pk}
        about = [] if route in OPEN_TO_ALL else [pk or message.get(route, conversation.pk)]
        path = reverse(f"converse_pages:{route}", args=about)
        return client.post(path, POSTED) if method == "POST" else client.generic(method, path)

    return call


def test_every_route_is_in_the_matrix():
    assert {pattern.name for pattern in urls.urlpatterns} == set(MATRIX)


@pytest.mark.parametrize(("route", "method"), CASES)
def test_the_owner_gets_in(call, route, method):
    response = call("owner", route, method)

    assert response.status_code == MATRIX[route][method]
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(("route", "method"), CASES)
def test_who_has_not_signed_in_is_asked_to(call, route, method):
    response = call("nobody", route, method)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/?next=/chat/")


@pytest.mark.parametrize("who", ["stranger", "staff"])
@pytest.mark.parametrize(("route", "method"), [case for case in CASES if case[0] not in OPEN_TO_ALL])
def test_what_is_not_mine_looks_exactly_like_what_does_not_exist(call, who, route, method):
    before = list(Conversation.objects.values()), list(Message.objects.values())

    not_mine = call(who, route, method)
    not_there = call(who, route, method, pk="00000000-0000-4000-8000-000000000000")

    assert not_mine.status_code == not_there.status_code == 404
    assert not_mine.content == not_there.content
    assert (list(Conversation.objects.values()), list(Message.objects.values())) == before


@pytest.mark.parametrize("route", MATRIX)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_no_other_method_works(call, route, method):
    if method not in MATRIX[route]:
        assert call("owner", route, method).status_code == 405


@pytest.mark.parametrize(("route", "method"), [case for case in CASES if case[1] == "POST"])
def test_a_form_of_another_site_changes_nothing(call, route, method):
    assert call("owner", route, method, enforce_csrf_checks=True).status_code == 403


@pytest.mark.parametrize(
    ("route", "roles"), [("stop", "user system"), ("retry", "user system"), ("edit", "assistant system")]
)
def test_what_makes_no_sense_for_a_message_is_not_found(call, conversation, route, roles):
    for role in roles.split():
        message = conversation.add_message(role, "Hi")
        assert call("owner", route, "POST", pk=message.pk).status_code == 404
