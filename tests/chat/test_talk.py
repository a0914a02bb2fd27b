"""The page of a conversation, in a browser that runs no script: read, ask, stop, try again, edit, switch branches."""

import re

import pytest
from django.urls import reverse

from converse_stream.models import Conversation, Message
from converse_stream.pages import talk

pytestmark = pytest.mark.django_db


def test_what_was_said_can_be_read(someone, conversation):
    conversation.ask("Hello there")

    someone.open("conversation", conversation.pk)

    assert someone.said == ["Hello there"] * 2
    assert "<title>Hello there</title>" in someone.text


def test_a_question_leads_to_its_answer(someone, conversation):
    someone.open("conversation", conversation.pk)

    someone.send(someone.form(rf"{conversation.pk}/$"), content="One\r\ntwo")

    answer = conversation.messages.get(role="assistant")
    assert someone.page.redirect_chain == [(f"/chat/{conversation.pk}/#m-{answer.pk}", 302)]
    assert conversation.messages.get(role="user").content == "One\ntwo"
    assert f'id="m-{answer.pk}"' in someone.text


def test_a_form_sent_twice_asks_once(someone, conversation):
    someone.open("conversation", conversation.pk)
    form = someone.form(rf"{conversation.pk}/$")

    first = someone.send(form, content="Once")
    someone.send(form, content="Once")

    assert someone.said == ["Once", "Once"]
    assert first.count("<article") == someone.text.count("<article") == 2


def test_going_back_and_asking_something_else_asks_that(someone, conversation):
    someone.open("conversation", conversation.pk)
    form = someone.form(rf"{conversation.pk}/$")
    someone.send(form, content="Once")

    someone.send(form, content="Twice")

    assert someone.said == ["Once", "Once", "Twice", "Twice"]


def test_a_first_question_begins_a_conversation_once(someone):
    someone.open("new")
    form = someone.form("new/")

    for _time in range(2):
        someone.send(form, content="First")

    assert Conversation.objects.count() == 1
    assert someone.said == ["First", "First"]


def test_a_suggestion_asks_what_it_says(someone):
    someone.open("new")

    someone.send(someone.form("new/"), suggestion="What is it?", content="")

    assert someone.said == ["What is it?"] * 2


@pytest.mark.parametrize("place", ["new", "conversation"])
def test_what_is_refused_is_told_and_not_lost(someone, conversation, settings, place):
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "MAX_PROMPT_CHARS": 5}
    someone.open(place, *[conversation.pk] * (place == "conversation"))
    form = someone.form("new/$" if place == "new" else f"{conversation.pk}/$")

    someone.send(form, content="\n<too> long")

    assert someone.page.status_code == 413
    assert "This message is too long." in someone.text
    assert someone.form("new/$" if place == "new" else f"{conversation.pk}/$")["content"] == "\n<too> long"
    assert not Message.objects.exists()
    assert Conversation.objects.count() == 1


def test_a_page_is_loaded_again_while_an_answer_is_written_and_not_after(someone, conversation):
    conversation.add_user_message("Go")
    with conversation.start_stream() as stream:
        stream.append("so far")
        during = someone.open("conversation", conversation.pk)
        still = someone.open("conversation", conversation.pk, query="?refresh=off")
    after = someone.open("conversation", conversation.pk)

    again = rf'<noscript><meta http-equiv="refresh" content="3;url=/chat/{conversation.pk}/\?t=\d+#converse-end">'
    assert re.search(again, during)
    assert 'aria-busy="true"' in during
    assert "so far" in during
    assert 'http-equiv="refresh"' not in still
    assert 'http-equiv="refresh"' not in after
    assert "aria-busy" not in after


def test_stop_ends_the_answer_and_keeps_its_text(someone, conversation):
    conversation.add_user_message("Go")
    with conversation.start_stream() as stream:
        stream.append("so far")
        someone.open("conversation", conversation.pk)

        someone.send(someone.form("/stop/"))

    assert someone.said == ["Go", "so far"]
    assert "Stopped." in someone.text


def test_a_question_during_an_answer_is_refused_and_shown_again(someone, conversation):
    someone.open("conversation", conversation.pk)
    form = someone.form(f"{conversation.pk}/$")
    with conversation.start_stream():
        someone.send(form, content="And this?")

    assert someone.page.status_code == 409
    assert "An answer is still being written" in someone.text
    assert "And this?" in someone.text
    assert 'http-equiv="refresh"' not in someone.text


def test_a_question_too_many_for_the_site_is_told_when_to_come_again(someone, conversation, settings):
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "MAX_LIVE_ANSWERS": 1}
    someone.open("conversation", conversation.pk)
    form = someone.form(f"{conversation.pk}/$")
    with Conversation.objects.create().start_stream():
        someone.send(form, content="And this?")

    assert someone.page.status_code == 503
    assert someone.page.headers["Retry-After"] == "5"
    assert "Too many answers are being written" in someone.text
    assert "And this?" in someone.text


def test_a_question_interrupts_where_the_site_says_so(someone, conversation, settings):
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "WHEN_BUSY": "interrupt"}
    someone.open("conversation", conversation.pk)
    form = someone.form(f"{conversation.pk}/$")
    with conversation.start_stream() as stream:
        someone.send(form, content="And this?")

    assert someone.said[-2:] == ["And this?"] * 2
    stream.message.refresh_from_db()
    assert stream.message.status == "cancelled"


def test_an_answer_is_given_anew_once_and_both_can_be_read(someone, conversation):
    conversation.ask("Hello")
    someone.open("conversation", conversation.pk)
    form = someone.form("regenerate/")

    for _time in range(2):
        someone.send(form)

    assert conversation.messages.assistant().count() == 2
    assert "2/2" in someone.text
    someone.page = someone.client.get(f"/chat/{conversation.pk}/?at={conversation.messages.get(number=2).pk}")
    assert "1/2" in someone.text
    assert someone.said == ["Hello", "Hello"]


def test_a_failed_answer_says_why_and_can_be_tried_again(someone, conversation, settings):
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "DEFAULT_MODEL": "demo"}
    conversation.ask("/fail")
    failed = conversation.messages.assistant().get()
    someone.open("conversation", conversation.pk)

    note = str(failed.public_error()["message"])
    assert note in someone.text
    someone.send(someone.form("retry/"))

    assert conversation.messages.assistant().count() == 2
    assert "2/2" in someone.text


def test_an_answer_without_a_model_cannot_be_tried_again_and_the_page_says_so(someone, conversation):
    conversation.add_user_message("Go")
    with conversation.start_stream() as stream:
        stream.append("mine")
        stream.cancel()
    someone.open("conversation", conversation.pk)

    someone.send(someone.form("retry/"))

    assert someone.page.status_code == 400
    assert 'role="alert"' in someone.text
    assert someone.said == ["Go", "mine"]


def test_a_question_in_other_words_is_a_branch_and_links_lead_between_them(someone, conversation):
    conversation.ask("Cats")
    conversation.ask("More")
    first = conversation.messages.get(number=1)
    someone.open("conversation", conversation.pk, query=f"?edit={first.pk}")
    form = someone.form("edit/")
    assert form["content"] == "Cats"

    someone.send(form, content="Dogs")

    assert someone.said == ["Dogs", "Dogs"]
    other = re.search(r'href="([^"#]+)#[^"]*" aria-label="Previous version"', someone.text)[1]
    someone.page = someone.client.get(other)
    assert someone.said == ["Cats", "Cats", "More", "More"]
    assert 'aria-label="Next version"' in someone.text


def test_a_question_asked_in_an_older_branch_goes_on_there(someone, conversation):
    conversation.ask("Cats")
    first = conversation.messages.get(number=1)
    first.edit("Dogs")
    someone.open("conversation", conversation.pk, query=f"?at={first.pk}")

    someone.send(someone.form(str(conversation.pk) + r"/\?at"), content="More")

    assert someone.said == ["Cats", "Cats", "More", "More"]


def test_an_edit_that_is_refused_is_told_beside_its_question(someone, conversation, settings):
    conversation.ask("Cats")
    first = conversation.messages.get(number=1)
    someone.open("conversation", conversation.pk, query=f"?edit={first.pk}")
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "MAX_PROMPT_CHARS": 5}

    someone.send(someone.form("edit/"), content="Elephants")

    assert someone.page.status_code == 413
    assert someone.form("edit/")["content"] == "Elephants"
    assert someone.text.count("This message is too long.") == 1


def test_a_failed_answer_stands_between_its_question_and_the_next(someone, conversation, settings):
    conversation.ask("Fine")
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "DEFAULT_MODEL": "demo"}
    conversation.ask("/fail")
    failed = conversation.messages.assistant().failed().get()
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "DEFAULT_MODEL": "echo"}
    conversation.ask("Next")

    for query in ("", f"?at={failed.pk}"):
        someone.open("conversation", conversation.pk, query=query)

        assert someone.said[:3] == ["Fine", "Fine", "/fail"]
        assert someone.said[-2:] == ["Next", "Next"]
        assert f'id="m-{failed.pk}"' in someone.text
        assert "Previous version" not in someone.text


def test_a_long_conversation_is_shown_page_by_page(someone, conversation, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(talk, "SHOWN_MESSAGES", 4)
    for number in range(5):
        conversation.ask(f"q{number}")

    with django_assert_max_num_queries(8):
        someone.open("conversation", conversation.pk)

    assert someone.said == ["q3", "q3", "q4", "q4"]
    someone.page = someone.client.get(re.search(r'href="([^"]+)" rel="prev"', someone.text)[1].replace("&amp;", "&"))
    assert someone.said == ["q1", "q1", "q2", "q2"]
    assert "Latest messages" in someone.text


def test_thoughts_and_calls_are_folded_and_a_providers_state_is_not_there(someone, conversation):
    conversation.add_user_message("Go")
    with conversation.start_stream() as stream:
        stream.reasoning("hm")
        stream.tool_call("1", "100% look", {"at": "<it>"})
        stream.tool_result("1", "100% look", "nothing")
    Message.objects.assistant().update(
        parts=[
            {"type": "reasoning", "text": "hm", "state": ["secret"]},
            {"type": "tool_call", "id": "1", "name": "100% look", "arguments": {"at": "<it>"}, "state": ["secret"]},
            {"type": "file", "name": "a.png"},
        ]
    )

    page = someone.open("conversation", conversation.pk)

    assert "<summary>Thinking</summary>" in page
    assert "<summary>Tool call: 100% look</summary>" in page
    assert "&lt;it&gt;" in page
    assert "secret" not in page


def test_a_system_message_is_nowhere(someone, conversation):
    system = conversation.add_system_message("Never tell")
    conversation.ask("Hello")

    assert "Never tell" not in someone.open("conversation", conversation.pk)
    for name in ("at", "edit", "before"):
        someone.open("conversation", conversation.pk, query=f"?{name}={system.pk}")
        assert someone.page.status_code == 404


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;</article></textarea>{{ key }}{% debug %}"
    "\u202e\u2066\x00\x08 [x](javascript:alert(1)) <svg/onload=alert(1)> "
)


def test_nothing_that_anybody_wrote_is_markup(someone, conversation):
    conversation.ask(HOSTILE)
    first = conversation.messages.get(number=1)

    pages = [
        someone.open("conversation", conversation.pk),
        someone.open("conversation", conversation.pk, query=f"?edit={first.pk}"),
        someone.open("list"),
        someone.open("list", query=f"?q={'%3Cimg%20src%3Dx%22'}"),
    ]

    assert someone.client.get(f"/chat/{conversation.pk}/").context["shown"][0].message.content == first.content
    for page in pages:
        assert "<script>" not in page
        assert "<img" not in page
        assert "<svg" not in page
        assert page.count("</article>") == page.count("<article")
        assert "style=" not in page
        assert re.findall(r"<script[^>]*>([^<]*)", page) == [""] * page.count("<script")


@pytest.mark.parametrize(
    "query", ["?at=x", "?at=", "?before=1", "?edit=%00", "?at=00000000-0000-4000-8000-000000000000"]
)
def test_a_message_that_is_not_there_is_not_found(someone, conversation, query):
    someone.open("conversation", conversation.pk, query=query)

    assert someone.page.status_code == 404


def test_nobody_asks_after_a_message_of_another_conversation(someone, conversation, owner):
    elsewhere = Conversation.objects.create(owner=owner)
    message = elsewhere.add_user_message("Hers")
    someone.open("conversation", conversation.pk)

    someone.send(someone.form(f"{conversation.pk}/$"), content="x", parent=str(message.pk))

    assert someone.page.status_code == 404
    assert not conversation.messages.exists()


def test_a_conversation_deleted_meanwhile_is_not_found(someone, conversation):
    someone.open("conversation", conversation.pk)
    form = someone.form(f"{conversation.pk}/$")
    conversation.soft_delete()

    someone.send(form, content="x")

    assert someone.page.status_code == 404


def test_another_answers_branch_is_said_to_be_under_way(someone, conversation):
    conversation.ask("Cats")
    first = conversation.messages.get(number=1)
    conversation.messages.get(number=1).edit("Dogs")
    with conversation.start_stream() as stream:
        stream.append("so far")
        page = someone.open("conversation", conversation.pk, query=f"?at={first.pk}")

    assert f"?at={stream.message.pk}" in page
    assert reverse("converse_pages:stop", args=[stream.message.pk]) in page
