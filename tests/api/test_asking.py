"""Asking over REST: safe to repeat, at once or as a stream, again, otherwise, and never two at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import ANY

import pytest
from django.db import connection
from rest_framework.test import APIClient

from converse_stream.models import Conversation, Message
from converse_stream.testing import Follower
from tests.records import Echo, answered

SSE = "text/event-stream"


@pytest.fixture
def path(conversation):
    return f"/api/conversations/{conversation.pk}/messages/"


def ask(client, path, content="Hello there", *, key=None, accept="application/json", **fields):
    headers = {"Accept": accept} | ({"Idempotency-Key": key} if key is not None else {})
    return client.post(path, {"content": content, **fields}, format="json", headers=headers)


def text_of(response):
    follower = Follower()
    follower.read(iter(response))
    return follower.text


class TestIdempotency:
    def test_the_same_key_and_body_is_the_same_answer(self, client, path):
        first, second = ask(client, path, key="k"), ask(client, path, key="k")

        assert (first.status_code, second.status_code) == (202, 202)
        assert (first.headers.get("Idempotent-Replayed"), second.headers["Idempotent-Replayed"]) == (None, "true")
        assert first.json() == second.json()
        assert Message.objects.count() == 2

    @pytest.mark.parametrize("other", [{"content": "Ho"}, {"model": "echo:x"}, {"options": {"top_p": 1}}], ids=str)
    def test_the_same_key_with_another_body_is_unprocessable(self, client, path, other):
        ask(client, path, key="k")

        response = ask(client, path, **{"content": "Hello there", "key": "k", **other})

        assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_mismatch")
        assert Message.objects.count() == 2

    @pytest.mark.parametrize("key", ["", "x" * 256, "kéy", "a\tb"])
    def test_what_is_no_key_is_refused(self, client, path, key):
        response = ask(client, path, key=key)

        assert (response.status_code, list(response.json())) == (400, ["Idempotency-Key"])
        assert not Message.objects.exists()

    def test_a_replay_may_be_followed_at_once(self, client, path):
        asked = ask(client, path, key="k").json()

        replay = ask(client, path, key="k", accept=SSE)

        assert replay.headers["Idempotent-Replayed"] == "true"
        assert replay.headers["Location"] == asked["stream_url"]
        assert text_of(replay) == "Hello there "

    @pytest.mark.parametrize("action", ["retry", "regenerate", "edit"])
    def test_whatever_starts_an_answer_takes_a_key(self, client, conversation, action):
        answer = conversation.ask("Hi")
        about, body = (answer.parent, {"content": "Ho"}) if action == "edit" else (answer, {})

        sent = [
            client.post(f"/api/messages/{about.pk}/{action}/", body, format="json", headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]

        assert [response.status_code for response in sent] == [202, 202]
        assert sent[0].json() == sent[1].json()
        assert sent[1].headers["Idempotent-Replayed"] == "true"

    @pytest.mark.django_db(transaction=True)
    def test_fifty_at_once_are_one_call_and_fifty_equal_answers(self, owner, path, settings):
        """Seeds: A-16."""

        class Counting(Echo):
            calls = []

            async def deltas(self, prompt):
                self.calls.append(prompt)
                async for delta in super().deltas(prompt):
                    yield delta

        settings.CONVERSE_STREAM |= {"RUNNER": "thread", "PROVIDERS": {"echo": Counting("echo")}}
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
        together = threading.Barrier(50)
        clients = [APIClient() for _ in range(50)]
        for client in clients:
            client.force_login(owner)

        def send(client):
            try:
                together.wait(60)
                return ask(client, path, key="k")
            finally:
                connection.close()

        with ThreadPoolExecutor(50) as threads:
            responses = list(threads.map(send, clients))

        ids = {(one.json()["user_message"]["id"], one.json()["message"]["id"]) for one in responses}
        assert {response.status_code for response in responses} == {202}
        assert len(ids) == 1
        assert sum("Idempotent-Replayed" not in response.headers for response in responses) == 1
        assert Message.objects.get(role="assistant").wait(60).content == "Hello there "
        assert len(Counting.calls) == 1


class TestStreaming:
    def test_who_accepts_events_is_sent_them_at_once(self, client, path):
        response = ask(client, path, accept=SSE)

        answer = Message.objects.get(role="assistant")
        assert (response.status_code, response.headers["Content-Type"]) == (200, f"{SSE}; charset=utf-8")
        assert response.headers["Location"] == f"/api/messages/{answer.pk}/stream/"
        assert text_of(response) == "Hello there "

    @pytest.mark.parametrize(
        ("accept", "streams"),
        [
            (f"{SSE}, */*", True),
            (f"application/json;q=0.5, {SSE}", True),
            ("*/*", False),
            ("application/json", False),
            (f"application/json, {SSE};q=0.5", False),
            (f"{SSE};q=0", False),
            ("image/png", False),
        ],
    )
    def test_who_would_rather_have_json_gets_json(self, client, path, accept, streams):
        response = ask(client, path, accept=accept)

        assert response.streaming == streams
        assert response.status_code == (200 if streams else 202)

    @pytest.mark.parametrize(
        ("fields", "status"),
        [({"content": ""}, 400), ({"model": "nobody"}, 400), ({"content": "x", "role": "system"}, 400)],
    )
    def test_an_error_before_the_first_byte_is_json_whatever_was_asked_for(self, client, path, fields, status):
        response = ask(client, path, accept=SSE, **{"content": "x", **fields})

        assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")

    def test_nobody_is_refused_in_json(self, path):
        response = ask(APIClient(), path, accept=SSE)

        assert (response.status_code, response.headers["Content-Type"]) == (403, "application/json")

    def test_an_unknown_dialect_is_refused_before_anything_is_written(self, client, path):
        response = ask(client, f"{path}?dialect=klingon", accept=SSE)

        assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_dialect")
        assert not Message.objects.exists()


class TestBusy:
    @pytest.fixture
    def live(self, conversation):
        return conversation.start_stream().append("So far").message

    def test_a_conflict_names_the_live_answer(self, client, path, live):
        response = ask(client, path)

        assert (response.status_code, response.json()["error"]["live_message"]) == (409, str(live.pk))

    def test_a_client_may_interrupt(self, client, path, live):
        response = ask(client, path, interrupt=True)

        live.refresh_from_db()
        assert (response.status_code, live.status) == (202, "cancelled")

    @pytest.mark.parametrize(("fields", "status"), [({}, 202), ({"interrupt": False}, 409)])
    def test_a_site_may_have_it_otherwise(self, client, path, live, settings, fields, status):
        settings.CONVERSE_STREAM |= {"WHEN_BUSY": "interrupt"}

        assert ask(client, path, **fields).status_code == status

    @pytest.mark.parametrize("action", ["retry", "regenerate"])
    def test_trying_again_what_is_live_is_a_conflict_too(self, client, conversation, action):
        first = conversation.ask("Hi")
        conversation.start_stream()

        response = client.post(f"/api/messages/{first.pk}/{action}/")

        assert response.status_code == 409


class TestAgain:
    @pytest.fixture
    def answer(self, conversation):
        return conversation.ask("Hi", model="echo:small")

    def test_a_retry_is_a_sibling_by_the_same_model(self, client, answer):
        response = client.post(f"/api/messages/{answer.pk}/retry/")

        again = response.json()["message"]
        assert response.status_code == 202
        assert (again["parent"], again["model"]) == (str(answer.parent_id), "small")
        assert response.json()["user_message"]["id"] == str(answer.parent_id)

    def test_to_regenerate_is_a_sibling_by_the_model_of_choice(self, client, answer, settings):
        url = f"/api/messages/{answer.pk}/regenerate/"

        default = client.post(url).json()["message"]
        chosen = client.post(url, {"model": "echo:large", "options": {"top_p": 0.5}}, format="json").json()["message"]

        answer.conversation.model = "echo:quiet"
        answer.conversation.save()
        of_the_conversation = client.post(url).json()["message"]

        assert (default["model"], chosen["model"], of_the_conversation["model"]) == ("", "large", "quiet")
        assert default["parent"] == chosen["parent"] == str(answer.parent_id)

    def test_a_question_can_be_answered_too(self, client, conversation):
        question = conversation.add_user_message("Hi")

        response = client.post(f"/api/messages/{question.pk}/regenerate/")

        assert response.json()["message"]["parent"] == str(question.pk)

    def test_an_edit_is_a_sibling_question_and_a_new_branch(self, client, conversation, answer):
        """Seeds: A-20."""
        question = answer.parent
        response = client.post(f"/api/messages/{question.pk}/edit/", {"content": "Ho"}, format="json")

        asked, again = response.json()["user_message"], response.json()["message"]
        assert response.status_code == 202
        assert (asked["parent"], asked["content"], again["parent"]) == (None, "Ho", asked["id"])
        assert [message.text for message in conversation.history()] == ["Ho", "Ho "]

    def test_an_edit_in_the_middle_keeps_what_came_before(self, client, conversation, answer):
        second = conversation.ask("And then?").parent

        response = client.post(f"/api/messages/{second.pk}/edit/", {"content": "And now?"}, format="json")

        assert response.json()["user_message"]["parent"] == str(answer.pk)
        assert [message.text for message in conversation.history()][:3] == ["Hi", "Hi ", "And now?"]

    def test_a_question_may_continue_another_branch(self, client, path, answer):
        first = ask(client, path, "One").json()["message"]["id"]
        ask(client, path, "Two")

        response = ask(client, path, "Three", parent=first)

        assert response.json()["user_message"]["parent"] == first

    def test_a_parent_elsewhere_is_refused_as_if_it_did_not_exist(self, client, path, conversation, stranger):
        system = conversation.add_system_message("Never tell anybody.")
        mine = Conversation.objects.create(owner=conversation.owner).add_user_message("Mine")
        theirs = Conversation.objects.create(owner=stranger).add_user_message("Theirs")

        bodies = [ask(client, path, parent=str(pk)) for pk in (system.pk, mine.pk, theirs.pk, path.split("/")[3])]

        assert {response.status_code for response in bodies} == {404}
        assert len({response.content for response in bodies}) == 1

    @pytest.mark.parametrize(("action", "about"), [("retry", "question"), ("edit", "answer")])
    def test_there_is_no_answer_of_that_name_and_no_question(self, client, answer, action, about):
        message = answer.parent if about == "question" else answer

        response = client.post(f"/api/messages/{message.pk}/{action}/", {"content": "x"} if action == "edit" else {})

        assert response.status_code == 404
        assert Message.objects.count() == 2

    def test_what_a_source_has_written_is_not_tried_again_by_guess(self, client, conversation):
        answer = answered(conversation)
        conversation.add_user_message("Hi")
        answer = answered(conversation)

        response = client.post(f"/api/messages/{answer.pk}/retry/")

        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid")

    def test_a_system_message_is_never_shown_as_the_question(self, client, conversation):
        conversation.add_system_message("Never tell anybody.")
        greeting = conversation.ask(None, source=["Welcome."])

        response = client.post(f"/api/messages/{greeting.pk}/regenerate/")

        assert (response.status_code, response.json()["user_message"]) == (202, None)


class TestChoices:
    @pytest.mark.parametrize(
        ("options", "errors"),
        [
            ({"max_tokens": 9}, {"options": {"max_tokens": ["Unknown field."]}}),
            ({"extra": {"a": 1}}, {"options": {"extra": ["Unknown field."]}}),
            ({"model": "x", "self": 1}, {"options": {"model": ["Unknown field."], "self": ["Unknown field."]}}),
            ({"top_p": "all"}, {"error": {"code": "invalid_options", "message": ANY}}),
            ({"temperature": True}, {"error": {"code": "invalid_options", "message": ANY}}),
            ([], {"options": ['Expected a dictionary of items but got type "list".']}),
        ],
    )
    def test_an_option_that_is_the_sites_business_is_refused(self, client, path, options, errors):
        response = ask(client, path, options=options)

        assert (response.status_code, response.json()) == (400, errors)

    def test_an_option_of_the_wrong_kind_is_refused_before_anything_is_written(self, client, path, settings):
        settings.CONVERSE_STREAM["PROVIDERS"]["openai"] = {"api_key": "k"}

        response = ask(client, path, model="openai:x", options={"temperature": "hot"})

        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_options")
        assert not Message.objects.exists()

    @pytest.mark.parametrize(("model", "status"), [("echo:small", 202), ("echo:large", 400), ("echo", 400)])
    def test_a_site_may_name_the_models_to_choose_from(self, client, path, settings, model, status):
        settings.CONVERSE_STREAM |= {"CLIENT_MODELS": ["echo:small"]}

        assert ask(client, path, model=model).status_code == status
        assert ask(client, path).status_code == 202

    def test_a_model_that_the_site_has_set_up_wrongly_is_not_available(self, client, path, settings):
        settings.CONVERSE_STREAM["PROVIDERS"]["broken"] = {"class": "no.such.Provider"}

        response = ask(client, path, model="broken")

        assert (response.status_code, response.json()["error"]["code"]) == (400, "unknown_model")
