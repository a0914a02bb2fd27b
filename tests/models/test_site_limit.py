"""MAX_LIVE_ANSWERS: so many answers under way in the whole site, whoever asks, and nobody slips past."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from converse_stream.exceptions import SiteFull
from converse_stream.models import Conversation, Message
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gate(settings):
    settings.CONVERSE_STREAM = {"MAX_LIVE_ANSWERS": 2}
    gate = threading.Event()
    yield gate
    gate.set()


def full(gate):
    """Ask as often as the site allows."""
    return [Conversation.objects.create().ask("Hi", source=iter(gate.wait, True)) for _ in range(2)]


def test_one_too_many_is_refused_and_leaves_nothing(user, gate):
    live = full(gate)
    conversation = Conversation.objects.create(owner=user)

    with pytest.raises(SiteFull) as refusal:
        conversation.ask("Hi")
    with pytest.raises(SiteFull):
        conversation.start_stream()

    assert refusal.value.retry_after == 5
    assert conversation.messages.count() == 0
    live[0].cancel()
    assert conversation.ask("Hi").wait(30).status == "complete"


def test_what_takes_the_place_of_a_live_answer_is_none_too_many(gate):
    live = full(gate)

    assert live[1].conversation.ask("Ho", interrupt=True).wait(30).status == "complete"


def test_messages_that_nobody_has_to_write_are_not_counted(conversation, gate):
    full(gate)

    conversation.add_user_message("Hi")
    conversation.add_assistant_message("Hello")

    assert conversation.messages.count() == 2


def test_many_at_once_cannot_slip_past(gate):
    made = [Conversation.objects.create() for _ in range(12)]
    together = threading.Barrier(12)

    def ask(one):
        try:
            together.wait(30)
            return one.ask("Hi", source=iter(gate.wait, True))
        except SiteFull:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as threads:
        asked = [message for message in threads.map(ask, made) if message]

    assert len(asked) == 2
    assert Message.objects.live().count() == 2


def test_places_of_writers_that_are_gone_are_given_back(conversation, gate):
    """Nobody follows them, and no other answer is written here: whoever is refused has them looked at."""
    for _ in range(2):
        lost = Conversation.objects.create().start_stream().message
        past = timezone.now() - timedelta(seconds=60)
        Message.objects.filter(pk=lost.pk).update(lease_holder="somebody who is gone", lease_expires_at=past)

    def is_accepted():
        try:
            return conversation.ask("Hi", source=["Hello"])
        except SiteFull:
            return None

    until(is_accepted, 30)
    assert conversation.messages.assistant().get().wait(30).content == "Hello"


def test_without_a_limit_nobody_counts(conversation, settings):
    conversation.start_stream().complete()  # the first one costs less
    with CaptureQueriesContext(connection) as without:
        conversation.start_stream().complete()
    settings.CONVERSE_STREAM = {"MAX_LIVE_ANSWERS": 5}
    with CaptureQueriesContext(connection) as limited:
        conversation.start_stream().complete()

    assert not [query for query in without.captured_queries if "COUNT" in query["sql"]]
    assert len(limited) == len(without) + 2
