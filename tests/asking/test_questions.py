"""Asking step by step: an immutable question, and the answer in the form wanted."""

import threading

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from converse_stream import aask_stream, ask_stream
from converse_stream.exceptions import AnswerStopped, NotStarted, Overloaded, UnknownModel
from converse_stream.models import Conversation, Message
from converse_stream.testing import Follower, ScriptedProvider
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model() -> ScriptedProvider:
    return ScriptedProvider(["One, ", "two, ", "three."])


@pytest.fixture(params=["inline", "thread"])
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param}


def test_the_steps_are_what_the_model_is_asked_with(conversation, model, runner):
    """Seeds: L-01, L-02, C-19"""
    conversation.system_prompt = "Be long."
    question = conversation.prompt("Count.").using(model).with_options(temperature=0.7).with_system("Be brief.")
    question = question.with_options(max_tokens=9).with_metadata(topic="numbers")

    assert question.text() == "One, two, three."

    prompt = model.prompts[0]
    assert [(message.role, message.text) for message in prompt.messages] == [
        ("system", "Be brief."),
        ("user", "Count."),
    ]
    assert prompt.options == {"temperature": 0.7, "max_tokens": 9}
    assert conversation.messages.last().metadata["topic"] == "numbers"


def test_keywords_say_the_same_as_steps(conversation, model, runner):
    """Seeds: L-01, W-01"""
    keywords = {"model": model, "options": {"temperature": 0.1}, "system": "Be brief.", "metadata": {"topic": "n"}}
    steps = conversation.prompt("a").using(model).with_options(temperature=0.1).with_system("Be brief.")

    conversation.ask("a", **keywords).wait(60)
    steps.with_metadata(topic="n").start().wait(60)
    b"".join(conversation.stream_response("a", **keywords))
    conversation.prompt("a", **keywords).text()

    assert {prompt.messages[0].text for prompt in model.prompts} == {"Be brief."}
    assert [prompt.options for prompt in model.prompts] == [{"temperature": 0.1}] * 4
    assert [answer.metadata["topic"] for answer in conversation.messages.assistant()] == ["n"] * 4


def test_a_step_changes_nothing_of_the_question_before_it(conversation, model):
    question = conversation.prompt("Count.").using(model).with_options(seed=1)

    other = question.with_options(seed=2).with_system("Be brief.")

    assert (question.wishes["options"], other.wishes["options"]) == ({"seed": 1}, {"seed": 2})
    assert "system" not in question.wishes
    assert not Message.objects.exists()


def test_one_question_may_be_asked_again_and_again(conversation, model, runner):
    question = conversation.prompt("Count.").using(model)

    assert [question.text(), question.text()] == ["One, two, three."] * 2
    assert [message.role for message in conversation.messages.all()] == ["user", "assistant"] * 2


def test_several_models_are_asked_in_turn(conversation, model, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "RETRIES": 0}
    busy = ScriptedProvider([Overloaded("busy")], "busy")

    message = conversation.prompt("Count.").using(busy, model).start()

    assert (message.content, message.provider) == ("One, two, three.", "scripted")


def test_no_system_prompt_at_all_can_be_wished_for(conversation, model, runner):
    conversation.system_prompt = "Be long."

    conversation.prompt("Count.").using(model).with_system("").text()

    assert [message.role for message in model.prompts[0].messages] == ["user"]


def test_a_question_is_streamed_event_by_event(conversation, model, runner):
    """Seeds: B-01, F-01"""
    events = list(conversation.prompt("Count.").using(model).stream())

    assert [events[0].kind, events[-1].kind] == ["start", "complete"]
    assert "".join(event.text for event in events) == "One, two, three."


async def test_everything_has_an_async_twin(conversation, model):
    question = conversation.prompt("Count.").using(model)

    events = [event async for event in question.astream()]
    text = await question.atext()
    message = await (await question.astart()).await_ending(10)
    body = b"".join([part async for part in await question.aresponse(dialect="text")])

    assert "".join(event.text for event in events) == text == message.content == body.decode()


def test_a_question_is_answered_over_http(conversation, model, runner):
    """Seeds: L-01"""
    response = conversation.prompt("Count.").using(model).response(dialect="native")

    seen = Follower().read(response)

    assert (seen.text, seen.ending) == ("One, two, three.", "complete")
    assert response.message.conversation == conversation


def test_without_words_the_newest_question_is_answered(conversation, model, runner):
    conversation.add_user_message("Count.")

    assert conversation.prompt().using(model).text() == "One, two, three."
    assert conversation.messages.count() == 2


def test_half_an_answer_is_no_text(conversation, runner, settings):
    """Seeds: W-06"""
    broken = ScriptedProvider(["half ", Overloaded("busy")])

    with pytest.raises(Overloaded):
        conversation.prompt("Count.").using(broken).text()

    assert conversation.messages.last().content == "half "


def test_a_stopped_answer_is_no_text_but_is_kept(conversation):
    pause = threading.Event()
    message = []

    def stop(text: str, full: str) -> None:
        message.append(conversation.messages.last())
        message[0].cancel()

    with pytest.raises(AnswerStopped):
        conversation.prompt("Count.").using(ScriptedProvider(["half ", pause, "whole"])).text(on_chunk=stop)
    pause.set()

    message[0].refresh_from_db()
    assert (message[0].status, message[0].content) == ("cancelled", "half ")


@pytest.mark.parametrize("wish", ["modle", "temperature", "prompt"])
def test_what_nobody_knows_cannot_be_wished_for(conversation, wish):
    for asks in (conversation.ask, conversation.prompt, conversation.stream_response):
        with pytest.raises(TypeError, match=wish):
            asks("Count.", **{wish: "demo"})

    assert not Message.objects.exists()


@pytest.mark.parametrize("system", [7, ["Be brief."]])
def test_what_is_no_text_is_no_system_prompt(conversation, model, system):
    with pytest.raises(ValueError, match="must be str"):
        conversation.prompt("Count.").using(model).with_system(system).start()

    assert not Message.objects.exists()


class TestAskStream:
    """Seeds: L-01"""

    def test_one_line_makes_the_conversation_and_streams_the_answer(self, user, model, runner):
        """Seeds: L-01."""
        response = ask_stream("Count.", user=user, model=model, system="Be brief.")

        assert Follower().read(response).text == "One, two, three."
        assert Conversation.objects.for_user(user).get() == response.message.conversation
        assert model.prompts[0].messages[0].text == "Be brief."

    async def test_async_views_have_it_too(self, user, model):
        response = await aask_stream("Count.", user=user, model=model)

        assert (await Follower().aread(response)).text == "One, two, three."

    @pytest.mark.parametrize("nobody", [None, AnonymousUser()])
    def test_nobody_may_ask_and_owns_nothing(self, db, model, runner, nobody):
        response = ask_stream("Count.", user=nobody, model=model)

        assert Follower().read(response).ending == "complete"
        assert response.message.conversation.owner is None

    def test_what_is_refused_leaves_no_conversation_behind(self, user, runner):
        with pytest.raises(UnknownModel):
            ask_stream("Count.", user=user, model="nobody")

        assert not Conversation.objects.exists()

    def test_two_questions_have_two_conversations(self, user, model, runner):
        """Seeds: L-11"""
        first, second = (ask_stream("Count.", user=user, model=model) for _ in range(2))

        assert first.message.conversation != second.message.conversation
        assert Follower().read(second).text == Follower().read(first).text == "One, two, three."


def test_waiting_in_a_transaction_is_refused_before_anything_is_written(conversation, model):
    with transaction.atomic():
        with pytest.raises(NotStarted):
            conversation.ask("Count.", model=model, on_chunk=print)
        assert not Message.objects.exists()


def test_an_answer_is_under_way_before_its_events_are_read(conversation, model):
    events = conversation.prompt("Count.").using(model).stream()

    until(lambda: conversation.messages.complete().assistant().exists())
    assert [event.kind for event in events][-1] == "complete"
