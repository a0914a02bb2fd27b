"""Ask the wiki: passages are found, an answer cites them, and one question has one answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import reverse
from django.utils.html import escape

from converse_stream.models import Conversation, Message
from converse_stream.testing import Follower, ReplayServer, ScriptedProvider
from example_project.wiki.asking import ANSWERS_PER_MINUTE, title_of
from example_project.wiki.models import Page, Question
from tests.recordings import FOLDER
from tests.waiting import until
from tests.wiki.conftest import reader

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "What does a lighthouse show?"


def ask(page, text=QUESTION, name="ada"):
    return reader(name).post(page.get_absolute_url(), {"question": text})


def test_the_demo_answers_from_the_passages_and_links_to_them(harbours):
    """Seeds: W-07."""
    response = ask(harbours)

    question = Question.objects.get()
    shown = reader("eve").get(response["Location"]).text
    assert response["Location"] == question.get_absolute_url()
    assert question.answer.content == "A lighthouse shows ships the way at night. [1]"
    link = f'<a href="{harbours.get_absolute_url()}#lighthouses"'
    assert f'at night. {link} class="citation">[1]</a>' in shown
    assert f"{link}>Harbours / Lighthouses</a>" in shown


def test_the_answer_is_kept_under_its_page_with_a_title_and_belongs_to_it(harbours):
    """Seeds: W-11."""
    ask(harbours, "What does a lighthouse show? " + "Please. " * 20)

    conversation = Conversation.objects.get()
    assert (conversation.title, conversation.subject, conversation.owner) == (QUESTION, harbours, None)
    page = reader("eve").get(harbours.get_absolute_url()).text
    assert f'<a href="{Question.objects.get().get_absolute_url()}">{QUESTION}</a></li>' in page
    assert QUESTION not in reader().get(reverse("wiki:page", args=["land/fjords"])).text


def test_a_long_first_sentence_makes_a_title_of_seventy_characters():
    """Seeds: W-11."""
    assert title_of("word " * 40) == f"{('word ' * 14).rstrip()}…"
    assert len(title_of("word " * 40)) == 70
    assert title_of("One line\nand another") == "One line"


@pytest.mark.parametrize("again", [QUESTION, "  what does a\nLIGHTHOUSE show  ?! "])
def test_the_same_question_is_answered_once(harbours, counting, again):
    """Seeds: W-08, W-10."""
    first = ask(harbours)
    assert Question.objects.get().answer.wait(60).status == "complete"

    second = ask(harbours, again, name="eve")

    assert second["Location"] == first["Location"]
    assert (counting.calls, Question.objects.count(), Message.objects.count()) == (1, 1, 2)


def test_a_question_under_another_page_is_another(harbours, counting):
    ask(harbours)
    ask(Page.objects.get(slug="land/fjords"))

    assert Question.objects.count() == 2


def test_those_who_ask_at_once_share_one_answer(harbours, counting):
    """Seeds: W-10."""
    together = threading.Barrier(6)

    def asks(number):
        client = clients[number]
        try:
            together.wait(60)
            return client.post(harbours.get_absolute_url(), {"question": QUESTION})["Location"]
        finally:
            connection.close()

    clients = [reader(f"reader {number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        led_to = set(pool.map(asks, range(6)))

    assert Question.objects.get().answer.wait(60).status == "complete"
    assert led_to == {Question.objects.get().get_absolute_url()}
    assert (counting.calls, Conversation.objects.count(), Message.objects.count()) == (1, 1, 2)


def test_those_who_ask_at_once_after_a_failure_share_one_new_answer(harbours, settings):
    failing = ScriptedProvider(["So far", RuntimeError("private")], "model")
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": "model", "PROVIDERS": {"model": failing}}
    ask(harbours)
    assert Question.objects.get().answer.wait(60).status == "failed"
    better = ScriptedProvider(["Better [1]."], "model")
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": "model", "PROVIDERS": {"model": better}}
    together = threading.Barrier(4)

    def asks(number):
        try:
            together.wait(60)
            return clients[number].post(harbours.get_absolute_url(), {"question": QUESTION}).status_code
        finally:
            connection.close()

    clients = [reader(f"reader {number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(asks, range(4))) == {302}

    assert Question.objects.get().answer.wait(60).status == "complete"
    assert Message.objects.assistant().count() == 2
    assert Question.objects.get().answer.content == "Better [1]."


def test_an_answer_that_failed_is_no_answer_and_can_be_asked_for_again(harbours):
    """Seeds: W-06."""
    ask(harbours, "/fail at the lighthouse")
    question = Question.objects.get()

    shown = reader().get(question.get_absolute_url()).text

    assert "The wiki has no answer to this yet." in shown
    assert "Ask again" in shown
    assert "not answered" in reader().get(harbours.get_absolute_url()).text
    stored = [question.answer.content, *Message.objects.values_list("metadata", flat=True)]
    assert not any("no answer to this yet" in str(each) for each in stored)
    assert ask(harbours, "/fail at the lighthouse")["Location"] == question.get_absolute_url()
    assert Message.objects.failed().count() == 2


def test_showing_searching_and_following_ask_nobody(harbours, counting):
    """Seeds: W-08."""
    client = reader()
    addresses = [
        reverse("wiki:index"),
        reverse("wiki:index") + "?q=lighthouse",
        harbours.get_absolute_url() + f"?question={QUESTION}",
    ]
    ask(harbours)
    assert Question.objects.get().answer.wait(60).status == "complete"
    question = Question.objects.get()
    addresses += [question.get_absolute_url(), *(reverse(f"wiki:{name}", args=[1]) for name in ("progress", "stream"))]

    for address in addresses:
        client.get(address)

    assert (counting.calls, Question.objects.count()) == (1, 1)
    assert client.get(reverse("wiki:stop", args=[question.pk])).status_code == 405


def test_a_question_that_no_passage_knows_is_not_asked_and_not_lost(harbours, counting):
    response = ask(harbours, "Quantum <bananas>?")

    assert response.status_code == 422
    assert "No passage of the wiki has to do with this." in response.text
    assert "Quantum &lt;bananas&gt;?</textarea>" in response.text
    assert (counting.calls, Question.objects.count(), Conversation.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(("text", "said"), [("", "No passage"), ("lighthouse " * 9, "too long")], ids=["empty", "long"])
def test_what_cannot_be_asked_is_told_and_leaves_nothing_behind(harbours, settings, text, said):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "MAX_PROMPT_CHARS": 40}

    response = ask(harbours, text)

    assert response.status_code == 422
    assert said in response.text
    assert (Question.objects.count(), Conversation.objects.count()) == (0, 0)


def test_nobody_has_the_wiki_answer_without_end(harbours):
    for number in range(ANSWERS_PER_MINUTE):
        assert ask(harbours, f"lighthouse {number}").status_code == 302

    assert ask(harbours, "lighthouse again").status_code == 422
    assert ask(harbours, "lighthouse again", name="eve").status_code == 302


def test_the_progress_of_an_answer_says_how_far_it_is(harbours, settings):
    """Seeds: W-09."""
    gate = threading.Event()
    settings.CONVERSE_STREAM = {
        "DEFAULT_MODEL": "slow",
        "PROVIDERS": {"slow": ScriptedProvider(["x" * 300, gate, "done"], "slow")},
        "POLL_INTERVAL": 0.05,
    }
    ask(harbours)
    address = reverse("wiki:progress", args=[Question.objects.get().pk])
    client = reader("eve")
    until(lambda: client.get(address).json()["content_length"] == 300)

    told = client.get(address).json()
    answer = Question.objects.get().answer
    gate.set()
    answer.wait(60)
    after = client.get(address).json()

    assert (told["status"], told["preview"], told["cursor"]) == ("streaming", "x" * 200, f"{answer.pk}.300")
    assert (after["status"], after["content_length"], after["cursor"]) == ("complete", 304, f"{answer.pk}.end")
    rest = Follower(told["cursor"]).read(client.get(f"{told['stream_url']}?after={told['cursor']}"))
    assert rest.text == "done"


def test_only_who_asked_may_stop_and_the_text_stays(harbours, settings):
    provider = ScriptedProvider(["So far", threading.Event(), "never"], "slow")
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": "slow", "PROVIDERS": {"slow": provider}}
    ask(harbours)
    question = Question.objects.get()
    until(lambda: question.answer.to_dict()["content"] == "So far")
    address = reverse("wiki:stop", args=[question.pk])

    assert "Stop</button>" not in reader("eve").get(question.get_absolute_url()).text
    assert "Stop</button>" in reader().get(question.get_absolute_url()).text
    assert reader("eve").post(address).status_code == 404
    assert question.answer.is_live
    assert reader().post(address)["Location"] == question.get_absolute_url()

    assert (question.answer.status, question.answer.content) == ("cancelled", "So far")
    assert "Stopped." in reader("eve").get(question.get_absolute_url()).text


@pytest.mark.parametrize("name", ["question", "stream", "progress"])
def test_who_has_not_signed_in_reads_nothing(harbours, client, name):
    ask(harbours)

    response = client.get(reverse(f"wiki:{name}", args=[Question.objects.get().pk]))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("login"))


def test_an_answer_that_an_admin_has_deleted_is_gone(harbours):
    ask(harbours)
    question = Question.objects.get()
    question.conversation.soft_delete()

    assert reader().get(question.get_absolute_url()).status_code == 404
    assert QUESTION not in reader().get(harbours.get_absolute_url()).text


def test_who_asked_may_leave_and_the_answer_stays(harbours):
    ask(harbours)
    get_user_model().objects.get(username="ada").delete()

    assert "at night." in reader("eve").get(Question.objects.get().get_absolute_url()).text


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}")
@pytest.mark.parametrize(
    ("model", "recording"),
    [
        pytest.param("openai:gpt-6-luna", "openai/chat-plain-usage-chunk", id="openai"),
        pytest.param("anthropic:claude-sonnet-5-5", "anthropic/plain-short", id="anthropic"),
    ],
)
def test_the_answers_of_real_models_are_kept_and_shown(harbours, settings, model, recording):
    """Seeds: W-08."""
    name = model.partition(":")[0]
    with ReplayServer(FOLDER / f"{recording}.sse") as server:
        settings.CONVERSE_STREAM = {
            "DEFAULT_MODEL": model,
            "PROVIDERS": {name: {"base_url": server.url, "api_key": "secret"}},
        }
        location = ask(harbours)["Location"]
        answer = Question.objects.get().answer.wait(60)
        asked = str(server.requests[0].json)

    assert answer.status == "complete"
    assert "[1] Harbours / Lighthouses" in asked
    assert "A lighthouse shows ships the way at night." in asked
    assert QUESTION in asked
    assert escape(answer.content.split("\n")[0][:20]) in reader().get(location).text
