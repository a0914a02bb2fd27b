"""Who may do what: every route, every method, every kind of person. A route that is not in the matrix fails."""

import json

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from converse_stream.models import Conversation, Message
from tests.records import person

ROLES = ("anonymous", "stranger", "staff", "owner")
OWN_ROW = (403, 404, 404, 200)
OWN_QUESTION = (403, 404, 404, 202)
MATRIX = {
    "converse_api:conversation-list": {"GET": (403, 200, 200, 200), "POST": (403, 201, 201, 201)},
    "converse_api:conversation-detail": {"GET": OWN_ROW, "PATCH": OWN_ROW, "DELETE": (403, 404, 404, 204)},
    "converse_api:conversation-restore": {"POST": OWN_ROW},
    "converse_api:conversation-stream": {"GET": (403, 404, 404, 204)},
    "converse_api:conversation-events": {"GET": OWN_ROW},
    "converse_api:conversation-export": {"GET": OWN_ROW},
    "converse_api:message-list": {"GET": OWN_ROW, "POST": OWN_QUESTION},
    "converse_api:message-detail": {"GET": OWN_ROW},
    "converse_api:message-stream": {"GET": OWN_ROW},
    "converse_api:message-cancel": {"POST": OWN_ROW},
    "converse_api:message-retry": {"POST": OWN_QUESTION},
    "converse_api:message-regenerate": {"POST": OWN_QUESTION},
    "converse_api:message-edit": {"POST": OWN_QUESTION},
    "converse_api:message-ticket": {"POST": OWN_ROW},
    "converse_api:usage": {"GET": (403, 200, 200, 200)},
    "converse_api:schema": {"GET": (200, 200, 200, 200)},
    # A chat that is not the user's is a new one, and nobody learns that there is another of its name.
    "converse_api:chat": {"POST": (403, 200, 200, 200)},
    "converse_api:chat-stream": {"GET": (403, 204, 204, 200)},
    "converse_api:chat-stop": {"POST": OWN_ROW},
    "converse_api:openai-chat-completions": {"POST": (401, 200, 200, 200)},
    "converse_api:openai-models": {"GET": (401, 200, 200, 200)},
    "converse_stream:follow": {"GET": OWN_ROW},
    "converse_stream:cancel": {"POST": OWN_ROW},
    "converse_stream:watch": {"GET": OWN_ROW},
}
NO_ROW = tuple(
    f"converse_api:{name}"
    for name in ("conversation-list", "usage", "schema", "chat", "openai-chat-completions", "openai-models")
)
CHATS = ("converse_api:chat-stream", "converse_api:chat-stop")
RESTORE = "converse_api:conversation-restore"
WITH_HEAD = ("list", "detail", "usage", "schema", "models")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CASES = [
    pytest.param(route, method, role, status, id=f"{route} {method} {role}")
    for route, methods in MATRIX.items()
    for method, statuses in methods.items()
    for role, status in zip(ROLES, statuses, strict=True)
]
FORBIDDEN_METHODS = [
    pytest.param(route, method, id=f"{route} {method}")
    for route, methods in MATRIX.items()
    for method in METHODS
    if method not in methods and not (method == "HEAD" and "GET" in methods and route.endswith(WITH_HEAD))
]


UNSAFE = [(route, method) for route, methods in MATRIX.items() for method in methods if method != "GET"]


def routes() -> set[str]:
    """Return the name of every route that the package adds to a site."""
    included = [pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLResolver)]
    ours = [pattern for pattern in included if str(pattern.urlconf_name).startswith("<module 'converse_stream.")]
    patterns = [(resolver.namespace, route) for resolver in ours for route in resolver.url_patterns]
    named = {f"{namespace}:{route.name}": view(route) for namespace, route in patterns if route.name}
    # A second spelling of a path needs no name, but leads nowhere else.
    assert {view(route) for _namespace, route in patterns if not route.name} <= set(named.values())
    return set(named)


def view(route) -> object:
    """Return what answers at a route."""
    return getattr(route.callback, "cls", route.callback)


@pytest.fixture
def messages(conversation):
    """Return a question and its answer."""
    answer = conversation.ask("Hi")
    return {"question": answer.parent, "answer": answer}


BODIES = {
    "message-list": {"content": "Hello"},
    "message-edit": {"content": "Hello"},
    "conversation-detail": {"title": "Hello"},
    "chat": {"messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}]},
    "openai-chat-completions": {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]},
}


@pytest.fixture
def call(owner, stranger, messages):
    people = {"stranger": stranger, "staff": person("staff", is_staff=True), "owner": owner, "anonymous": None}

    def call(route: str, method: str, role: str, pk: object = None, sent: bytes | None = None, **options: bool):
        client = Client(**options)
        if people[role] is not None:
            client.force_login(people[role])
        message = messages["question" if route.endswith("edit") else "answer"]
        in_conversation = "conversation-" in route or route in CHATS or route.endswith(("message-list", "watch"))
        about = message.conversation_id if in_conversation else message.pk
        path = reverse(route, args=[] if route in NO_ROW else [pk or about])
        body = dict(BODIES.get(route.partition(":")[2], {})) if method in ("POST", "PATCH") else {}
        if route.endswith(":chat"):
            body["id"] = str(message.conversation_id)
        data = json.dumps(body).encode() if sent is None else sent
        return client.generic(method, path, data=data, content_type="application/json")

    return call


def test_every_route_is_in_the_matrix():
    assert routes() == set(MATRIX)


@pytest.mark.parametrize(("route", "method", "role", "status"), CASES)
def test_only_the_owner_gets_in(call, route, method, role, status):
    """Seeds: V-29, T-17."""
    response = call(route, method, role)

    assert response.status_code == status


@pytest.mark.parametrize(("route", "method"), FORBIDDEN_METHODS)
def test_no_method_works_that_is_not_in_the_matrix(call, route, method):
    response = call(route, method, "owner")

    assert response.status_code == 405


@pytest.mark.parametrize(("route", "method", "role", "status"), [case for case in CASES if case.values[3] == 404])
def test_what_is_not_mine_looks_exactly_like_what_does_not_exist(call, route, method, role, status):
    not_mine = call(route, method, role)
    not_there = call(route, method, role, pk="00000000-0000-4000-8000-000000000000")

    assert (not_mine.status_code, not_mine.content) == (not_there.status_code, not_there.content)


@pytest.mark.parametrize(
    ("route", "method"),
    [(route, method) for route in MATRIX for method in MATRIX[route] if route not in (*NO_ROW, *CHATS, RESTORE)],
)
def test_a_deleted_conversation_is_gone_for_its_owner_too(call, conversation, route, method):
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=timezone.now())

    response = call(route, method, "owner")

    assert response.status_code == 404


@pytest.mark.parametrize(("route", "method"), UNSAFE)
def test_a_session_without_its_csrf_token_changes_nothing(call, route, method):
    assert call(route, method, "owner", enforce_csrf_checks=True).status_code == 403


NONSENSE = [b"{", b"[]", b"null", b"0", b'"text"', b"\xff", b"[" * 50_000, b'{"\\u0000": 1}', b'{"options": "x"}']


@pytest.mark.parametrize(("route", "method"), UNSAFE)
def test_nonsense_is_refused_or_not_read_and_never_breaks_a_path(call, route, method):
    statuses = {call(route, method, "owner", sent=body).status_code for body in NONSENSE}

    # What takes no body does not look at one.
    assert statuses in ({400}, {200}, {204, 404})


@pytest.mark.parametrize("route", MATRIX)
def test_what_a_path_says_of_itself_breaks_nothing_and_shows_nobodys_data(call, messages, route):
    said = [call(route, "OPTIONS", role) for role in ("owner", "stranger", "anonymous")]

    assert {response.status_code for response in said} <= {200, 401, 403, 404, 405}
    assert not any(b"Hi" in response.content or b"Mine" in response.content for response in said)


def test_a_list_holds_nobody_elses_rows(call):
    response = call("converse_api:conversation-list", "GET", "stranger")

    assert response.json()["results"] == []


@pytest.mark.parametrize("route", [route for route in MATRIX if "message-" in route and "list" not in route])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_system_message_is_shown_to_nobody(call, conversation, route, method):
    secret = conversation.add_system_message("Never tell anybody.")

    response = call(route, method, "owner", pk=secret.pk)

    assert response.status_code in (404, 405)


@pytest.mark.parametrize("role", ["anonymous", "stranger", "staff"])
def test_a_refused_call_changes_nothing(call, conversation, role):
    before = list(Message.objects.order_by("pk").values()), Conversation.objects.values().get()

    for route, methods in MATRIX.items():
        for method in methods:
            if route not in NO_ROW:
                call(route, method, role)

    assert (list(Message.objects.order_by("pk").values()), Conversation.objects.values().get()) == before


def test_nobody_restores_what_somebody_else_has_deleted(call, conversation):
    conversation.soft_delete()

    for role in ("anonymous", "stranger", "staff"):
        assert call(RESTORE, "POST", role).status_code in (403, 404)

    conversation.refresh_from_db()
    assert conversation.deleted_at is not None
