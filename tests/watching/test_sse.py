"""Watching a conversation over server-sent events: by REST and by the plain view, which answer alike."""

import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from converse_stream.models import Conversation
from converse_stream.providers.codecs.sse import SSEDecoder
from tests.records import person

pytestmark = pytest.mark.django_db(transaction=True)

VIEWS = ["/api/conversations/{}/events/", "/converse/conversations/{}/events/"]


@pytest.fixture(autouse=True)
def one_look(settings):
    """Let a response end after its first look."""
    settings.CONVERSE_STREAM = {"SSE_MAX_SECONDS": 0.001, "SSE_HEARTBEAT": 0.05}


@pytest.fixture(params=VIEWS, ids=["rest", "view"])
def url(request, conversation):
    return request.param.format(conversation.pk)


@pytest.fixture
def client(owner):
    client = Client()
    client.force_login(owner)
    return client


def events(response):
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    return [(event.event, event.id, json.loads(event.data)) for event in SSEDecoder().feed(b"".join(response))]


def test_a_response_tells_what_there_is_and_each_event_where_to_go_on(client, url, conversation):
    conversation.add_user_message("Hi")
    conversation.add_assistant_message("Hello\u2028\ndata: x")

    told = events(client.get(url))

    assert [kind for kind, _cursor, _data in told] == ["conversation", "message", "message"]
    assert [data["type"] for _kind, _cursor, data in told] == ["conversation", "message", "message"]
    assert told[2][2]["message"]["content"] == "Hello\u2028\ndata: x"
    for seen in range(1, 3):
        rest = events(client.get(url, {"after": told[seen - 1][1]}))
        assert rest == told[seen:]
        assert events(client.get(f"{url}?after=0", headers={"Last-Event-ID": told[seen - 1][1]})) == rest


def test_behind_everything_there_is_only_a_heartbeat(client, url, conversation):
    conversation.add_user_message("Hi")
    cursor = events(client.get(url))[-1][1]

    assert re.fullmatch(rb"retry: [0-9]{4}\n:\n", b"".join(client.get(url, {"after": cursor})))


def test_a_response_keeps_the_headers_that_let_it_pass_proxies(client, url):
    headers = client.get(url).headers

    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("cursor", ["x", "-1", "%00", "00000000.1.1.00000000", "٣"])
def test_a_malformed_cursor_is_an_error_in_json(client, url, cursor):
    response = client.get(f"{url}?after={cursor}", headers={"Accept": "text/event-stream"})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_cursor")


def test_the_frames_are_those_of_the_socket(client, url, conversation, settings):
    settings.CONVERSE_STREAM |= {"SSE_MAX_SECONDS": 0.3}
    stream = conversation.start_stream()
    stream.append("So").tool_call("call_1", "f", {})

    told = events(client.get(url))

    assert [kind for kind, _cursor, _data in told] == ["conversation", "start", "text", "tool_call"]
    assert told[2][2] == {
        "type": "text",
        "conversation": str(conversation.pk),
        "message_id": str(stream.message.pk),
        "start": 0,
        "text": "So",
    }
    assert told[3][2]["call_id"] == "call_1"
    stream.complete()


@pytest.mark.parametrize("how", ["deleted", "taken out", "given away"])
def test_a_response_ends_when_the_conversation_is_gone(client, url, conversation, settings, how):
    settings.CONVERSE_STREAM = {"SSE_MAX_SECONDS": 30, "POLL_INTERVAL": 0.02}
    body = iter(client.get(url))
    rows = Conversation.objects.filter(pk=conversation.pk)
    assert b"retry" in next(body)
    assert b"event: conversation" in next(body)

    if how == "deleted":
        rows.delete()
    elif how == "given away":
        rows.update(owner=person("another"))
    else:
        rows.update(deleted_at=timezone.now())
    last = list(body)

    assert b"".join(last).endswith(
        b'event: gone\ndata: {"conversation":"%s","type":"gone"}\n\n' % str(conversation.pk).encode()
    )


def test_a_user_has_a_limited_number_of_viewers(client, url, settings):
    settings.CONVERSE_STREAM |= {"MAX_VIEWERS_PER_USER": 1}
    first = client.get(url)

    second = client.get(url)
    first.close()
    third = client.get(url)

    assert (second.status_code, third.status_code) == (429, 200)
    assert second.headers["Retry-After"]


def test_head_and_post_watch_nothing(client, url):
    assert client.head(url).status_code == 405
    assert client.post(url).status_code == 405


@pytest.mark.django_db(transaction=False)
def test_in_a_test_case_a_response_shows_what_the_transaction_has_written(client, url, conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "SSE_MAX_SECONDS": 0.001}
    conversation.ask("Hi", source=["Hel", "lo"])

    assert [kind for kind, _cursor, _data in events(client.get(url))] == ["conversation", "message", "message"]


@pytest.mark.parametrize("dialect", ["text", "lightpack", "nope", ""])
def test_a_dialect_that_knows_one_message_only_is_refused(client, url, dialect):
    response = client.get(url, {"dialect": dialect})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_dialect")
    assert client.get(url, {"dialect": "native"}).status_code == 200
