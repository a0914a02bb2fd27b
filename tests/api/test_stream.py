"""Following a message: over REST and by the plain view, which answer alike."""

import pytest
from django.test import Client

from converse_stream.models import Conversation, Message
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


@pytest.mark.parametrize("dialect", ["", "klingon", "Native", "native ", "%00"])
def test_a_dialect_that_does_not_exist_is_an_error_in_json(client, conversation, message, dialect):
    responses = [
        client.get(f"/api/messages/{message.pk}/stream/?dialect={dialect}", **SSE),
        client.get(f"/api/conversations/{conversation.pk}/stream/?dialect={dialect}", **SSE),
    ]

    assert [(one.status_code, one.json()["error"]["code"]) for one in responses] == [(400, "bad_dialect")] * 2


class TestLiveAnswer:
    """`conversations/<id>/stream/`: whatever is being written there."""

    @pytest.fixture
    def url(self, conversation):
        return f"/api/conversations/{conversation.pk}/stream/"

    def test_without_a_live_answer_there_is_nothing_to_send(self, client, url, message):
        assert [client.get(f"{url}{query}").status_code for query in ("", "?after=3", f"?after={message.pk}.end")] == [
            204,
            204,
            204,
        ]

    def test_the_live_answer_is_followed_to_its_ending(self, client, url, conversation, message, settings):
        settings.CONVERSE_STREAM |= {"RUNNER": "thread"}
        stream = conversation.start_stream().append("Now")
        stream.data("progress", 1)
        arrived = iter(client.get(url))

        body = b""
        while b'"text":"Now"' not in body:
            body += next(arrived)
        stream.append(" and then").complete()

        assert b"event: complete" in body + b"".join(arrived)

    def test_who_comes_back_gets_the_rest_of_the_answer_it_was_following(self, client, url, conversation, message):
        conversation.start_stream()

        body = b"".join(client.get(url, HTTP_LAST_EVENT_ID=f"{message.pk}.6"))

        assert b'{"start":6,"text":"there."}' in body
        assert b"event: complete" in body

    def test_who_has_seen_that_ending_gets_the_live_one_from_its_start(self, client, url, conversation, message):
        stream = conversation.start_stream().append("Now")
        stream.data("progress", 1)

        arrived = iter(client.get(url, HTTP_LAST_EVENT_ID=f"{message.pk}.end"))

        assert b'"start":0' in next(arrived) + next(arrived)
        stream.complete()

    def test_a_cursor_of_another_conversation_is_an_error(self, client, url, owner, stranger):
        for somebody in (owner, stranger):
            other = answered(Conversation.objects.create(owner=somebody))
            response = client.get(f"{url}?after={other.pk}.3")
            assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_cursor")

    @pytest.mark.parametrize("cursor", ["x", "x.3", "-1", "end", "%00.1", "3.x", "."])
    def test_a_malformed_cursor_is_an_error_with_or_without_a_live_answer(self, client, url, conversation, cursor):
        statuses = [client.get(f"{url}?after={cursor}").status_code]
        conversation.start_stream()
        statuses.append(client.get(f"{url}?after={cursor}").status_code)

        assert statuses == [400, 400]
