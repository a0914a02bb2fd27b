"""The same request again, by its client's key: one answer, however often and however many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from converse_stream.exceptions import ConversationBusy, IdempotencyMismatch, InvalidContent, TooManyAnswers
from converse_stream.models import Conversation, Message
from converse_stream.testing import ScriptedProvider

pytestmark = pytest.mark.django_db(transaction=True)


class Counting(ScriptedProvider):
    """Knows how often it was called."""

    calls = 0

    async def deltas(self, prompt):
        type(self).calls += 1
        async for delta in super().deltas(prompt):
            yield delta


@pytest.fixture(autouse=True)
def counting(settings):
    Counting.calls = 0
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": "counting", "PROVIDERS": {"counting": Counting(["Hello"], "counting")}}
    return Counting


def test_the_same_request_returns_the_same_answer_and_starts_nothing(conversation, counting):
    first = conversation.ask("Hi", client_key="k1")
    second = conversation.ask("Hi", client_key="k1")

    assert (first.is_replay, second.is_replay, second.pk) == (False, True, first.pk)
    assert first.wait(60).content == "Hello"
    assert conversation.ask("Hi", client_key="k1").content == "Hello"
    assert (counting.calls, Message.objects.count()) == (1, 2)
    conversation.refresh_from_db()
    assert conversation.last_number == 2


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Ho"},
        {"options": {"temperature": 1}},
        {"metadata": {"tab": 1}},
        {"model": "counting:large"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_key_with_another_question_is_refused(conversation, other):
    conversation.ask("Hi", client_key="k1").wait(60)

    with pytest.raises(IdempotencyMismatch):
        conversation.ask(**{"prompt": "Hi", "client_key": "k1", **other})

    assert Message.objects.count() == 2


def test_the_parent_is_part_of_the_question(conversation):
    first = conversation.ask("Hi").wait(60)
    conversation.ask("Go on", parent=first, client_key="k1").wait(60)

    assert conversation.ask("Go on", parent=first, client_key="k1").is_replay
    with pytest.raises(IdempotencyMismatch):
        conversation.ask("Go on", client_key="k1")


def test_another_key_or_another_conversation_is_another_question(conversation):
    other = Conversation.objects.create(owner=conversation.owner)

    asked = [conversation.ask("Hi", client_key="k1").wait(60), conversation.ask("Hi", client_key="k2").wait(60)]
    asked.append(other.ask("Hi", client_key="k1").wait(60))

    assert len({message.pk for message in asked}) == 3


def test_a_trying_again_and_an_edit_have_keys_too(conversation):
    answer = conversation.ask("Hi").wait(60)
    question = answer.parent

    again = [answer.retry(client_key="r").wait(60), answer.retry(client_key="r")]
    edited = [question.edit("Ho", client_key="e").wait(60), question.edit("Ho", client_key="e")]

    assert again[0] == again[1] != answer
    assert edited[0] == edited[1]
    assert Message.objects.count() == 5
    with pytest.raises(IdempotencyMismatch):
        conversation.ask("Ho", client_key="e")


def test_a_replay_needs_no_model_that_is_still_there(conversation, settings):
    answer = conversation.ask("Hi", model="counting:large", client_key="k1").wait(60)
    settings.CONVERSE_STREAM = {}

    assert conversation.ask("Hi", model="counting:large", client_key="k1") == answer


def test_a_replay_is_no_second_question_while_the_first_is_live(conversation):
    gate = threading.Event()
    answer = conversation.ask("Hi", source=iter(gate.wait, True), client_key="k1")

    assert conversation.ask("Hi", client_key="k1") == answer
    with pytest.raises(ConversationBusy) as busy:
        conversation.ask("Hi", client_key="k2")
    gate.set()

    assert busy.value.live_message == answer.pk
    assert answer.wait(60).status == "complete"


@pytest.mark.parametrize("key", ["", 7, b"k"])
def test_a_key_is_text(conversation, key):
    with pytest.raises(InvalidContent):
        conversation.ask("Hi", client_key=key)

    assert not Message.objects.exists()


@pytest.mark.parametrize("key", ["x" * 10_000, "\x00", "\ud800", "ключ 🔑"])
def test_any_text_is_a_key_and_only_its_hash_is_stored(conversation, key):
    answer = conversation.ask("Hi", client_key=key)

    stored = Message.objects.get(pk=answer.wait(60).pk)
    assert conversation.ask("Hi", client_key=key) == answer
    assert len(stored.client_key) == len(stored.request_fingerprint) == 64
    assert key not in stored.client_key


def test_the_database_itself_refuses_a_second_answer_under_one_key(conversation):
    answer = conversation.ask("Hi", client_key="k1").wait(60)
    other = conversation.ask("Ho").wait(60)

    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=other.pk).update(client_key=answer.client_key)


def test_fifty_at_once_are_one_call_and_fifty_equal_answers(conversation, counting):
    together = threading.Barrier(50)

    def ask(_index):
        try:
            mine = Conversation.objects.get(pk=conversation.pk)
            together.wait(60)
            return mine.ask("Hi", client_key="k1")
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, range(50)))

    assert len({answer.pk for answer in answers}) == 1
    assert sum(not answer.is_replay for answer in answers) == 1
    assert answers[0].wait(60).content == "Hello"
    conversation.refresh_from_db()
    assert (counting.calls, Message.objects.count(), conversation.last_number) == (1, 2, 2)


class TestLiveAnswersOfAUser:
    @pytest.fixture
    def gate(self, settings):
        settings.CONVERSE_STREAM |= {"MAX_LIVE_ANSWERS_PER_USER": 2}
        gate = threading.Event()
        yield gate
        gate.set()

    def conversations(self, owner, count):
        return [Conversation.objects.create(owner=owner) for _ in range(count)]

    def test_one_too_many_is_refused_and_leaves_nothing(self, user, gate):
        first, second, third = self.conversations(user, 3)
        live = [one.ask("Hi", source=iter(gate.wait, True)) for one in (first, second)]

        with pytest.raises(TooManyAnswers):
            third.ask("Hi")
        with pytest.raises(TooManyAnswers):
            third.start_stream()

        assert third.messages.count() == 0
        live[0].cancel()
        assert third.ask("Hi").wait(60).status == "complete"

    def test_what_takes_the_place_of_a_live_answer_is_none_too_many(self, user, gate):
        first, second = self.conversations(user, 2)
        for one in (first, second):
            one.ask("Hi", source=iter(gate.wait, True))

        assert second.ask("Ho", interrupt=True).wait(60).status == "complete"

    def test_other_people_and_conversations_of_nobody_do_not_count(self, user, gate, django_user_model):
        ann = django_user_model.objects.create_user("ann")
        for one in self.conversations(user, 2):
            one.ask("Hi", source=iter(gate.wait, True))

        assert Conversation.objects.create(owner=ann).ask("Hi").wait(60).status == "complete"
        assert Conversation.objects.create().ask("Hi").wait(60).status == "complete"

    def test_many_at_once_cannot_slip_past(self, user, gate):
        made = self.conversations(user, 12)
        together = threading.Barrier(12)

        def ask(one):
            try:
                together.wait(60)
                return one.ask("Hi", source=iter(gate.wait, True))
            except TooManyAnswers:
                return None
            finally:
                connection.close()

        with ThreadPoolExecutor(12) as threads:
            asked = [message for message in threads.map(ask, made) if message]

        assert len(asked) == 2
        assert Message.objects.live().count() == 2
