"""Caching: the same question, asked by the same owner, costs nothing the second time."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from converse_stream.events import Data, Finish, Reasoning, State, ToolCall, Usage
from converse_stream.exceptions import Overloaded
from converse_stream.models import Conversation, Message
from converse_stream.testing import Follower, ScriptedProvider
from converse_stream.transforms import redact

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = [Reasoning("Hm."), State("reasoning", "signed"), "One, ", "two, ", Data("citation", {"n": 1}), "three."]
SCRIPT += [Usage(7, 5)]


@pytest.fixture(autouse=True)
def empty_cache():
    caches["default"].clear()
    yield
    caches["default"].clear()


@pytest.fixture(params=["inline", "thread"], autouse=True)
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param, "POLL_INTERVAL": 0.05}


@pytest.fixture
def model() -> ScriptedProvider:
    return ScriptedProvider(SCRIPT)


def asked(owner: User | None, model: ScriptedProvider, prompt: str = "Count.", **wishes) -> Message:
    return Conversation.objects.create(owner=owner).ask(prompt, model=model, **{"cache": 60, **wishes}).wait(60)


def test_the_second_answer_is_the_first_one_and_costs_nothing(user, model):
    """Seeds: F-10, L-02, L-10"""
    first, second = asked(user, model), asked(user, model)

    assert len(model.prompts) == 1
    assert (second.content, second.parts, second.status) == (first.content, first.parts, "complete")
    assert (second.provider, second.model, second.finish_reason) == ("scripted", "script", "stop")
    assert (second.metadata["cached"], "cached" in first.metadata) == (True, False)
    assert (second.input_tokens, second.output_tokens, second.cost) == (0, 0, 0)
    assert not second.attempts.exists()
    assert second.parts[0]["state"] == first.parts[0]["state"]


def test_a_hit_is_a_stream_and_goes_on_from_any_cursor(user, model):
    """Seeds: F-10"""
    asked(user, model)
    message = asked(user, model)

    assert message.delta_count == 5
    for cut in range(message.length + 1):
        seen = Follower(f"{message.pk}.{cut}").read(message.stream_response(after=cut))
        assert (seen.ending, seen.message["content"]) == ("complete", "One, two, three.")


@pytest.mark.parametrize(
    "other",
    [{"prompt": "Count down."}, {"options": {"seed": 2}}, {"system": "Be brief."}],
    ids=["words", "options", "system"],
)
def test_another_question_has_another_answer(user, model, other):
    """Seeds: F-10"""
    asked(user, model)

    assert "cached" not in asked(user, model, **other).metadata
    assert len(model.prompts) == 2


def test_another_owner_model_or_conversation_has_another_answer(user, model):
    """Seeds: F-10"""
    asked(user, model)
    other = ScriptedProvider(["Four."], "scripted", "other")
    conversation = Conversation.objects.create(owner=user)
    conversation.add_messages("Before", {"role": "assistant", "content": "that."})

    assert asked(User.objects.create_user("bob"), model).metadata.get("cached") is None
    assert asked(user, other).content == "Four."
    assert conversation.ask("Count.", model=model, cache=60).wait(60).metadata.get("cached") is None


def test_nothing_is_taken_from_the_cache_unless_it_is_wished_for(user, model):
    asked(user, model)
    asked(user, model, cache=None)

    assert len(model.prompts) == 2


@pytest.mark.parametrize(
    "script",
    [["half", Overloaded("busy")], ["half", Finish("length")], [Finish("stop")], ["x", ToolCall("1", "f", {})]],
    ids=["failed", "length", "empty", "tools"],
)
def test_what_is_no_whole_answer_is_not_kept(user, script):
    """Seeds: F-10, W-06"""
    model = ScriptedProvider(script)
    asked(user, model)
    asked(user, model)

    assert len(model.prompts) == 2


def test_an_answer_goes_through_transforms_of_its_own_each_time(user, model):
    """Seeds: F-10"""
    masked = asked(user, model, transforms=[redact("two")])
    plain, again = asked(user, model), asked(user, model, transforms=[redact("three")])

    assert [masked.content, plain.content, again.content] == [
        "One, ███, three.",
        "One, two, three.",
        "One, two, █████.",
    ]
    assert len(model.prompts) == 1


def test_the_builder_takes_it(user, model):
    """Seeds: L-02"""
    question = Conversation.objects.create(owner=user).prompt("Count.").using(model).cache(60)
    other = Conversation.objects.create(owner=user).prompt("Count.").using(model).cache()

    assert question.text() == other.text() == "One, two, three."
    assert len(model.prompts) == 1


def test_a_cache_that_does_not_work_keeps_nobody_from_answers(user, model, settings):
    settings.CACHES = {"default": {"BACKEND": "tests.asking.test_caching.Broken"}}

    assert asked(user, model).content == asked(user, model).content == "One, two, three."
    assert len(model.prompts) == 2


class Broken:
    """A cache whose server is gone."""

    def __init__(self, *args: object) -> None:
        pass

    def get(self, key: str) -> object:
        raise ConnectionError("no cache")

    def set(self, key: str, value: object, timeout: float) -> None:
        raise ConnectionError("no cache")

    def clear(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_the_setting_can_switch_it_off(user, model, settings):
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "CACHE": None}
    asked(user, model)
    asked(user, model)

    assert len(model.prompts) == 2


@pytest.mark.parametrize("seconds", [0, -1, True, "60", float("nan")])
def test_a_time_that_is_none_is_refused(user, model, seconds):
    with pytest.raises(ValueError, match="cache"):
        asked(user, model, cache=seconds)


def test_a_source_is_not_kept(user, model):
    with pytest.raises(TypeError, match="cache"):
        Conversation.objects.create().ask("Count.", source=["One"], cache=60)


class TestFallbackText:
    """Seeds: W-06, C-13"""

    SORRY = "We cannot answer now. <Try later!>"

    def failed(self, user, **wishes) -> Message:
        model = ScriptedProvider(["half ", Overloaded("busy")])
        return asked(user, model, cache=None, fallback_text=self.SORRY, **wishes)

    def test_viewers_are_shown_it_and_the_record_has_no_such_answer(self, user):
        """Seeds: W-06"""
        message = self.failed(user)
        seen = Follower().read(message.stream_response())

        assert (seen.ending, seen.error["code"], seen.error["message"]) == ("failed", "overloaded", self.SORRY)
        assert (message.status, message.content, seen.text) == ("failed", "half ", "half ")
        assert self.SORRY not in str(message.parts)
        assert [told.role for told in message.conversation.history()] == ["user"]

    @pytest.mark.parametrize("dialect", ["text", "lightpack", "converse", "bupple", "openai", "ai-sdk"])
    def test_every_dialect_shows_it(self, user, dialect):
        """Seeds: W-06"""
        body = b"".join(self.failed(user).stream_response(dialect=dialect)).decode()

        assert "We cannot answer now." in body

    def test_an_answer_that_comes_is_not_touched(self, user, model):
        message = asked(user, model, fallback_text=self.SORRY)

        assert message.content == "One, two, three."
        assert self.SORRY.encode() not in b"".join(message.stream_response())

    def test_text_returns_it(self, user):
        """Seeds: W-06"""
        broken = ScriptedProvider(["half ", Overloaded("busy")])
        question = Conversation.objects.create(owner=user).prompt("Count.").using(broken)

        assert question.with_fallback_text(self.SORRY).text() == self.SORRY
        with pytest.raises(Overloaded):
            question.text()

    def test_trying_again_keeps_it(self, user):
        again = self.failed(user).retry(model=ScriptedProvider([Overloaded("busy")])).wait(60)

        assert again.public_error()["message"] == self.SORRY

    def test_what_is_no_text_is_refused(self, user, model):
        for wrong in ("", 7):
            with pytest.raises(ValueError, match="content"):
                asked(user, model, fallback_text=wrong)
