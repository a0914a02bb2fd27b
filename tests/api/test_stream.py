"""Following a message: over REST and by the plain view, which answer alike."""

import pytest
from django.test import Client

from converse_stream.models import Message
from tests.records import answered

VIEWS = ["/api/messages/{}/stream/", "/converse/messages/{}/stream/"]
SSE = {"HTTP_ACCEPT": "text/event-stream"}


@pytest.fixture
def message(conversation):
    return answered(conversation, "Hello there.")


@pytest.fixture(params=VIEWS, ids=["rest", "view"])
def url(request, message):
    return request.param.format(message.pk)


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "application/json", "text/html", "image/png"])
def test_a_stream_is_a_stream_whatever_was_asked_for(client, url, accept):
    response = client.get(url, HTTP_ACCEPT=accept)

    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert b'"text":"Hello there."' in b"".join(response)


def test_a_stream_keeps_the_headers_that_let_it_pass_proxies(client, url):
    headers = client.get(url).headers

    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Content-Encoding"] == "identity"
    assert "Connection" not in headers


def test_a_cursor_in_the_query_or_the_header_is_where_it_goes_on(client, url, message):
    bodies = [
        b"".join(client.get(f"{url}?after=6")),
        b"".join(client.get(f"{url}?after={message.pk}.6")),
        b"".join(client.get(url, HTTP_LAST_EVENT_ID=f"{message.pk}.6")),
    ]

    assert all(b'{"start":6,"text":"there."}' in body and b"Hello" not in body.split(b"complete")[0] for body in bodies)


def test_behind_the_ending_there_is_nothing_to_send(client, url, message):
    response = client.get(f"{url}?after={message.pk}.end", **SSE)

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "%00", "end", "00000000-0000-4000-8000-000000000000.3", "٣"])
def test_a_malformed_cursor_is_an_error_in_json(client, url, cursor):
    response = client.get(f"{url}?after={cursor}", **SSE)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_cursor"


def test_an_error_before_the_first_byte_is_json_whatever_was_asked_for(client, url):
    absent = url.replace(url.split("/")[-3], "00000000-0000-4000-8000-000000000000")

    response = client.get(absent, **SSE)

    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/json")


def test_an_anonymous_event_source_is_told_in_json(client, url):
    client.logout()

    response = client.get(url, **SSE)

    assert (response.status_code, response.headers["Content-Type"]) == (403, "application/json")


def test_reading_changes_nothing(client, url, message):
    before = Message.objects.values().get(pk=message.pk)

    b"".join(client.get(url))

    assert Message.objects.values().get(pk=message.pk) == before


def test_the_plain_view_stops_an_answer(client, conversation):
    stream = conversation.start_stream()
    stream.append("So far").data("progress", 1)
    url = f"/converse/messages/{stream.message.pk}/cancel/"

    first, second = client.post(url), client.post(url)

    assert (first.status_code, first.json()["status"], first.json()["content"]) == (200, "cancelled", "So far")
    assert second.json() == first.json()


def test_the_plain_view_stops_nothing_without_its_csrf_token(owner, conversation):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    with conversation.start_stream() as stream:
        response = client.post(f"/converse/messages/{stream.message.pk}/cancel/")

    assert response.status_code == 403
    assert Message.objects.get().status == "complete"
