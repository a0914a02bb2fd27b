"""Messages over REST: listing them, asking, reading one, stopping one."""

import pytest
from django.db import connection, connections
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from converse_stream.models import Conversation, Message
from converse_stream.signals import stream_cancelled
from tests.records import Echo, answered


@pytest.fixture
def path(conversation):
    return f"/api/conversations/{conversation.pk}/messages/"


def ask(client, path, content="Hello there", **fields):
    return client.post(path, {"content": content, **fields}, format="json")


def test_asking_answers_with_both_messages_and_where_to_follow(client, path):
    """Seeds: A-14."""
    response = ask(client, path)

    question, answer = Message.objects.order_by("number")
    assert response.status_code == 202
    assert response.json() == {
        "user_message": question.to_dict(),
        "message": answer.to_dict(),
        "stream_url": f"/api/messages/{answer.pk}/stream/",
    }
    assert (question.content, question.role) == ("Hello there", "user")


def test_the_stream_url_is_where_the_answer_streams(client, path):
    url = ask(client, path).json()["stream_url"]

    body = b"".join(client.get(url)).decode()

    assert '"text":"Hello there "' in body
    assert "event: complete" in body


def test_a_form_asks_as_json_does(client, path):
    assert client.post(path, "content=Hi+there", content_type="application/x-www-form-urlencoded").status_code == 202
    assert client.post(path, {"content": "Hi", "csrfmiddlewaretoken": "x"}, format="multipart").status_code == 202


def test_the_model_may_be_chosen(client, path, settings):
    settings.CONVERSE_STREAM["PROVIDERS"]["other"] = Echo("other")

    response = ask(client, path, model="other:large")

    assert (response.json()["message"]["provider"], response.json()["message"]["model"]) == ("other", "large")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"content": ""}, 400, "invalid"),
        ({"content": " \n\t"}, 400, "invalid"),
        ({"content": "x" * 51}, 413, "too_large"),
        ({"content": "x", "model": "nobody"}, 400, "unknown_model"),
    ],
)
def test_what_cannot_be_asked_is_an_error_with_a_code(client, path, settings, fields, status, code):
    settings.CONVERSE_STREAM |= {"MAX_PROMPT_CHARS": 50}

    response = ask(client, path, **fields)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert set(response.json()["error"]) == {"code", "message"}
    assert not Message.objects.exists()


@pytest.mark.parametrize("field", ["role", "owner", "number", "status", "beside", "metadata", "source", "client_key"])
def test_a_client_decides_on_nothing_else(client, path, field):
    response = ask(client, path, **{field: "assistant"})

    assert (response.status_code, response.json()) == (400, {field: ["Unknown field."]})
    assert not Message.objects.exists()


def test_asking_while_an_answer_is_live_is_a_conflict_that_changes_nothing(client, path, conversation):
    with conversation.start_stream() as stream:
        response = ask(client, path)

    assert response.status_code == 409
    assert response.json() == {
        "error": {
            "code": "busy",
            "message": "An answer is still being written in this conversation.",
            "live_message": str(stream.message.pk),
        }
    }
    assert Message.objects.count() == 1


def test_a_list_shows_each_message_as_it_shows_itself(client, path, conversation):
    conversation.add_system_message("Never tell anybody.")
    question = conversation.add_user_message("Hi")
    answer = answered(conversation)

    results = client.get(path).json()["results"]

    assert results == [Message.objects.get(pk=question.pk).to_dict(), Message.objects.get(pk=answer.pk).to_dict()]


def test_a_live_answer_shows_what_is_committed(client, path, conversation):
    with conversation.start_stream() as stream:
        stream.append("So far").data("progress", 1)

        [listed] = client.get(path).json()["results"]
        alone = client.get(f"/api/messages/{stream.message.pk}/").json()

        assert listed == alone
        assert (listed["status"], listed["content"], listed["length"]) == ("streaming", "So far", 7)


def test_pages_of_messages_miss_nothing_while_the_conversation_grows(client, path, conversation):
    for number in range(12):
        conversation.add_user_message(str(number))

    seen, url = [], f"{path}?page_size=5"
    while url:
        page = client.get(url).json()
        seen += [row["number"] for row in page["results"]]
        url = page["next"]
        if len(seen) == 5:
            conversation.add_user_message("late")

    assert seen == list(range(1, 14))


def test_the_newest_messages_can_be_asked_for_first(client, path, conversation):
    for number in range(3):
        conversation.add_user_message(str(number))

    page = client.get(f"{path}?ordering=-number&page_size=2").json()

    assert [row["number"] for row in page["results"]] == [3, 2]


def test_a_list_costs_the_same_for_one_and_for_thirty(client, path, conversation, query_count):
    with conversation.start_stream() as stream:
        stream.data("progress", 1)
        one = query_count(lambda: client.get(path))
    for number in range(28):
        conversation.add_user_message(str(number))
    with conversation.start_stream() as stream:
        stream.data("progress", 2)
        thirty = query_count(lambda: client.get(path))

    assert thirty == one


def test_stopping_answers_with_the_message_as_it_now_is(client, conversation):
    stream = conversation.start_stream()
    stream.append("So far").data("progress", 1)
    url = f"/api/messages/{stream.message.pk}/cancel/"

    first, second = client.post(url), client.post(url)

    assert (first.status_code, first.json()["status"], first.json()["content"]) == (200, "cancelled", "So far")
    assert second.json() == first.json() == Message.objects.get().to_dict()


def test_stopping_what_has_ended_changes_nothing(client, conversation):
    before = answered(conversation).to_dict()

    response = client.post(f"/api/messages/{before['id']}/cancel/")

    assert (response.status_code, response.json()["status"]) == (200, "complete")


def test_a_session_without_its_csrf_token_cannot_ask_or_stop(owner, path, conversation):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(owner)
    with conversation.start_stream() as stream:
        stop = client.post(f"/api/messages/{stream.message.pk}/cancel/")

    assert (stop.status_code, ask(client, path).status_code) == (403, 403)
    assert Message.objects.get().status == "complete"


def test_a_token_needs_no_csrf_token(owner, path):
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=owner).key}")

    assert ask(client, path).status_code == 202


class TestDeletedMeanwhile:
    """The row is deleted between the look-up and the act: here by the site's own code, in the middle of it."""

    @pytest.fixture(autouse=True)
    def commits(self, transactional_db):
        pass

    @pytest.mark.parametrize("url", ["/api/messages/{}/cancel/", "/converse/messages/{}/cancel/"])
    def test_a_stop_finds_nothing(self, client, conversation, url):
        def delete(message, **kwargs):
            message.conversation.delete()

        message = conversation.start_stream().message
        stream_cancelled.connect(delete)
        try:
            response = client.post(url.format(message.pk))
        finally:
            stream_cancelled.disconnect(delete)

        assert response.status_code == 404

    def test_a_question_finds_nothing(self, client, path, settings):
        class Deleting(Echo):
            def __init__(self, *args, **kwargs):
                Conversation.objects.all().delete()
                super().__init__(*args, **kwargs)

        settings.CONVERSE_STREAM["PROVIDERS"]["echo"] = {"class": Deleting}

        assert ask(client, path).status_code == 404


class TestAtomicRequests:
    """ATOMIC_REQUESTS, with the runner that works in the background."""

    @pytest.fixture(autouse=True)
    def atomic(self, transactional_db, settings, monkeypatch):
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
        settings.CONVERSE_STREAM |= {"RUNNER": "thread"}

    def test_the_answer_starts_when_the_request_commits(self, client, path):
        response = ask(client, path)

        message = Message.objects.get(pk=response.json()["message"]["id"]).wait(timeout=60)
        assert (message.status, message.content) == ("complete", "Hello there ")

    def test_a_refused_question_leaves_nothing_behind(self, client, path):
        with Conversation.objects.get().start_stream() as stream:
            response = ask(client, path)

        assert response.status_code == 409
        assert list(Message.objects.values_list("pk", flat=True)) == [stream.message.pk]
        assert not connection.in_atomic_block

    def test_a_stream_is_read_outside_the_transaction(self, client, path):
        url = ask(client, path).json()["stream_url"]

        body = b"".join(client.get(url))

        assert b"event: complete" in body
