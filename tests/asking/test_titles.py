"""Titles: made by a cheap model after the first answer, or else the first sentence of the question."""

import pytest

from converse_stream.exceptions import NothingToAnswer, Overloaded
from converse_stream.generation.titles import first_sentence
from converse_stream.models import Conversation
from converse_stream.testing import ScriptedProvider
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "How do fjords come to be? I live near one."
ANSWER = ScriptedProvider(["Glaciers."])


@pytest.fixture(params=["inline", "thread"])
def site(request, settings):
    cheap = ScriptedProvider(['"Fjords, ', 'explained."'], "cheap")
    settings.CONVERSE_STREAM = {"RUNNER": request.param, "TITLE_MODEL": "cheap", "PROVIDERS": {"cheap": cheap}}
    return cheap


def title(conversation: Conversation) -> str:
    conversation.refresh_from_db()
    return conversation.title


def test_the_first_answer_gives_a_conversation_its_title(conversation, site):
    """Seeds: W-11"""
    before = conversation.revision
    conversation.ask(QUESTION, model=ANSWER).wait(60)

    until(lambda: title(conversation))
    assert conversation.title == "Fjords, explained"
    assert conversation.revision > before + 2
    told = site.prompts[0].messages[-1].text
    assert QUESTION in told and "Glaciers." in told


def test_a_title_there_is_stays(conversation, site):
    """Seeds: W-11"""
    Conversation.objects.filter(pk=conversation.pk).update(title="Mine")
    conversation.ask(QUESTION, model=ANSWER).wait(60)
    conversation.ask(QUESTION, model=ANSWER).wait(60)

    assert title(conversation) == "Mine"
    assert site.prompts == []


def test_without_the_setting_there_is_none(conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    conversation.ask(QUESTION, model=ANSWER)

    assert title(conversation) == ""


def test_a_failed_answer_gives_none(conversation, site):
    conversation.ask(QUESTION, model=ScriptedProvider([Overloaded("busy")])).wait(60)

    assert title(conversation) == ""
    assert site.prompts == []


@pytest.mark.parametrize("script", [[Overloaded("busy")], [" "], ['""\n']], ids=["fails", "empty", "quotes"])
def test_the_first_sentence_is_the_title_where_a_model_has_none(conversation, script):
    """Seeds: W-11"""
    conversation.add_user_message(QUESTION)

    assert conversation.generate_title(model=ScriptedProvider(script)) == "How do fjords come to be?"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("# Fjords\n\nMore words.", "Fjords"),
        ("Title: Fjords.", "Fjords"),
        ("“Fjords”", "Fjords"),
        ("x" * 300, "x" * 100),
        ("a\x00b", "a\ufffdb"),
    ],
)
def test_what_a_model_adds_to_a_title_is_taken_away(conversation, said, expected):
    """Seeds: W-11"""
    conversation.add_user_message(QUESTION)

    assert conversation.generate_title(model=ScriptedProvider([said])) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", "One."),
        ("no full stop\nat all", "no full stop at all"),
        ("3.14 is a number. Yes.", "3.14 is a number."),
        ("word " * 30, f"{('word ' * 30)[:69].rstrip()}…"),
        ("你好。再见", "你好。再见"),
    ],
)
def test_the_first_sentence_has_at_most_seventy_characters(text, expected):
    """Seeds: W-11"""
    assert first_sentence(text) == expected
    assert len(first_sentence(text)) <= 70


async def test_async_code_may_ask_for_one(conversation):
    await conversation.aadd_user_message(QUESTION)

    assert await conversation.agenerate_title(model=ScriptedProvider(["Fjords"])) == "Fjords"


def test_a_conversation_in_which_nobody_spoke_has_none(conversation):
    with pytest.raises(NothingToAnswer):
        conversation.generate_title(model=ANSWER)


def test_a_title_model_nobody_has_hurts_no_answer(conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "TITLE_MODEL": "nobody"}

    assert conversation.ask(QUESTION, model=ANSWER).status == "complete"
    assert title(conversation) in ("", "How do fjords come to be?")
