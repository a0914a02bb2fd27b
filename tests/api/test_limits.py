"""Limits: rates where the site has set them, viewers in this process, live answers in the database."""

import gc

import pytest
from django.core.cache import cache
from django.test import Client

from converse_stream import limits
from converse_stream.models import Conversation, Message
from tests.records import answered

SSE = {"Accept": "text/event-stream"}


@pytest.fixture
def message(conversation):
    return answered(conversation, "Hello there.")


@pytest.fixture
def url(message):
    return f"/api/messages/{message.pk}/stream/"


@pytest.fixture
def path(conversation):
    return f"/api/conversations/{conversation.pk}/messages/"


class TestViewers:
    @pytest.fixture(autouse=True)
    def two(self, settings):
        settings.CONVERSE_STREAM |= {"MAX_VIEWERS_PER_USER": 2}
        gc.collect()
        limits._forget()  # the places of earlier tests' responses that somebody still holds
        yield
        gc.collect()
        assert not limits._taken

    def test_one_too_many_is_told_when_to_come_again(self, client, url):
        kept = [client.get(url), client.get(url)]

        response = client.get(url)

        assert (response.status_code, response.json()["error"]["code"]) == (429, "too_many_viewers")
        assert response.headers["Retry-After"] == "5"
        assert [one.status_code for one in kept] == [200, 200]

    def test_whoever_leaves_makes_room(self, client, url):
        kept = [client.get(url), client.get(url)]
        b"".join(kept[0])

        assert client.get(url).status_code == 200

    def test_a_response_that_nobody_closed_makes_room_too(self, client, url):
        for _ in range(5):
            response = client.get(url)
            assert response.status_code == 200
            del response
            gc.collect()

    def test_closing_twice_gives_back_one_place(self, client, url):
        first, second = client.get(url), client.get(url)
        b"".join(first)
        first.viewer_slot.release()
        third = client.get(url)

        assert (third.status_code, client.get(url).status_code) == (200, 429)
        assert second.status_code == 200

    def test_every_way_to_follow_counts(self, client, url, message, path, conversation):
        live = conversation.start_stream()
        kept = [client.get(url), client.get(f"/converse/messages/{message.pk}/stream/")]

        refused = [
            client.get(url),
            client.get(f"/converse/messages/{message.pk}/stream/"),
            client.get(f"/api/conversations/{conversation.pk}/stream/"),
            client.post(path, {"content": "Hi", "interrupt": True}, format="json", headers=SSE),
        ]

        assert [response.status_code for response in refused] == [429] * 4
        assert all(response.headers["Retry-After"] == "5" for response in refused)
        live.message.refresh_from_db()
        assert (live.message.status, len(kept)) == ("streaming", 2)

    def test_a_question_that_was_refused_holds_no_place(self, client, path):
        for _ in range(5):
            assert client.post(path, {"content": ""}, format="json", headers=SSE).status_code == 400

        assert client.post(path, {"content": "Hi"}, format="json", headers=SSE).status_code == 200

    def test_behind_the_ending_there_is_no_viewer(self, client, url, message):
        kept = [client.get(url)]

        for _ in range(3):
            assert client.get(f"{url}?after={message.pk}.end").status_code == 204
        assert [client.get(url).status_code, len(kept)] == [200, 1]

    def test_everybody_has_places_of_their_own(self, client, url, stranger):
        theirs = answered(Conversation.objects.create(owner=stranger))
        kept = [client.get(url), client.get(url)]
        other = Client()
        other.force_login(stranger)

        assert other.get(f"/api/messages/{theirs.pk}/stream/").status_code == 200
        assert len(kept) == 2


def test_without_a_limit_nobody_counts(client, url, settings):
    settings.CONVERSE_STREAM |= {"MAX_VIEWERS_PER_USER": None}

    assert [client.get(url).status_code for _ in range(30)] == [200] * 30


def test_one_live_answer_too_many_is_told_when_to_come_again(client, owner, path, settings):
    settings.CONVERSE_STREAM |= {"MAX_LIVE_ANSWERS_PER_USER": 1}
    Conversation.objects.create(owner=owner).start_stream()

    response = client.post(path, {"content": "Hi"}, format="json")

    assert (response.status_code, response.json()["error"]["code"]) == (429, "too_many_answers")
    assert response.headers["Retry-After"] == "5"
    assert Message.objects.count() == 1


def test_one_live_answer_too_many_for_the_site_is_told_when_to_come_again(client, path, settings):
    settings.CONVERSE_STREAM |= {"MAX_LIVE_ANSWERS": 1}
    Conversation.objects.create().start_stream()

    response = client.post(path, {"content": "Hi"}, format="json")

    assert (response.status_code, response.json()["error"]["code"]) == (503, "site_full")
    assert response.headers["Retry-After"] == "5"
    assert Message.objects.count() == 1


class TestRates:
    @pytest.fixture(autouse=True)
    def rates(self, settings):
        def rates(**of):
            settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": of}

        cache.clear()
        yield rates
        cache.clear()

    def test_without_a_rate_nothing_is_limited(self, client, path):
        assert {client.get(path).status_code for _ in range(50)} == {200}

    @pytest.mark.parametrize("scope", ["converse_ask", "converse_follow", "converse_export", "converse"])
    def test_a_rate_limits_its_own_paths_only(self, client, path, url, conversation, rates, scope):
        rates(**{scope: "1/min"})
        calls = {
            "converse_ask": lambda: client.post(path, {"content": "Hi"}, format="json"),
            "converse_follow": lambda: client.get(url),
            "converse_export": lambda: client.get(f"/api/conversations/{conversation.pk}/export/"),
            "converse": lambda: client.get(path),
        }

        statuses = {name: [call().status_code for _ in range(2)][1] for name, call in calls.items()}

        assert {name for name, status in statuses.items() if status == 429} == {scope}

    def test_who_is_too_fast_is_told_when_to_come_again(self, client, path, rates):
        rates(converse="1/min")
        client.get(path)

        assert 0 < int(client.get(path).headers["Retry-After"]) <= 60

    def test_rest_frameworks_own_throttle_asks_for_no_rate_of_ours(self, client, path, settings):
        settings.REST_FRAMEWORK = {
            **settings.REST_FRAMEWORK,
            "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.ScopedRateThrottle"],
        }

        assert client.get(path).status_code == 200
