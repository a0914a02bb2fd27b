"""Tickets: one stream, one user, one minute."""

import pytest
from django.core import signing
from rest_framework.test import APIClient

from converse_stream.api.tickets import SALT
from converse_stream.models import Conversation
from converse_stream.testing import Follower
from tests.records import answered


@pytest.fixture
def message(conversation):
    return answered(conversation, "Hello there.")


@pytest.fixture
def issued(client, message):
    return client.post(f"/api/messages/{message.pk}/ticket/").json()


@pytest.fixture
def anonymous():
    return APIClient()


def test_a_ticket_opens_the_stream_to_who_sends_nothing_else(anonymous, issued):
    response = anonymous.get(issued["stream_url"], HTTP_ACCEPT="text/event-stream")
    follower = Follower()
    follower.read(iter(response))

    assert (response.status_code, follower.text) == (200, "Hello there.")
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert issued["expires_in"] == 60.0


def test_a_browser_may_reconnect_with_it(anonymous, issued, message):
    url = issued["stream_url"]

    again = anonymous.get(url, HTTP_LAST_EVENT_ID=f"{message.pk}.6")
    behind = anonymous.get(f"{url}&after={message.pk}.end")

    assert b'"text":"there."' in b"".join(again)
    assert behind.status_code == 204


def test_it_expires(anonymous, issued, settings):
    settings.CONVERSE_STREAM |= {"TICKET_SECONDS": 1e-9}

    response = anonymous.get(issued["stream_url"])

    assert (response.status_code, response.headers["Content-Type"]) == (403, "application/json")


def test_it_opens_nothing_else(anonymous, issued, message, conversation):
    other = answered(conversation)
    ticket = issued["ticket"]

    refused = [
        anonymous.get(f"/api/messages/{other.pk}/stream/?ticket={ticket}"),
        anonymous.get(f"/api/messages/{message.pk}/?ticket={ticket}"),
        anonymous.get(f"/api/conversations/{conversation.pk}/stream/?ticket={ticket}"),
        anonymous.post(f"/api/messages/{message.pk}/cancel/?ticket={ticket}"),
        anonymous.post(f"/api/messages/{message.pk}/ticket/?ticket={ticket}"),
    ]

    assert [response.status_code for response in refused] == [403] * 5


@pytest.mark.parametrize("change", ["deleted", "given away", "inactive", "gone"])
def test_whoever_may_not_see_the_message_any_more_cannot_use_it(anonymous, issued, owner, stranger, change):
    match change:
        case "deleted":
            Conversation.objects.get().soft_delete()
        case "given away":
            Conversation.objects.update(owner=stranger)
        case "inactive":
            owner.is_active = False
            owner.save()
        case "gone":
            Conversation.objects.update(owner=None)
            owner.delete()

    assert anonymous.get(issued["stream_url"]).status_code in (403, 404)


@pytest.mark.parametrize("ticket", ["", "x", "x" * 5_000, "%00", "%F0%9F%98%80", "a:b:c", "é"])
def test_what_is_no_ticket_is_refused(anonymous, message, ticket):
    assert anonymous.get(f"/api/messages/{message.pk}/stream/?ticket={ticket}").status_code == 403


@pytest.mark.parametrize("content", [[], ["1"], {"a": 1}, None, 7, ["x", "y"], [None, None], [[], {}]])
def test_what_is_signed_but_no_ticket_is_refused(anonymous, message, content):
    forged = signing.dumps(content, salt=SALT)

    assert anonymous.get(f"/api/messages/{message.pk}/stream/?ticket={forged}").status_code == 403


def test_what_was_signed_for_something_else_is_refused(anonymous, message, owner):
    forged = signing.dumps([str(owner.pk), str(message.pk)], salt="something else")

    assert anonymous.get(f"/api/messages/{message.pk}/stream/?ticket={forged}").status_code == 403


def test_a_bad_ticket_is_refused_to_who_is_signed_in_too(client, message):
    assert client.get(f"/api/messages/{message.pk}/stream/?ticket=x").status_code == 403
