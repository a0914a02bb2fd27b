"""A process that has nothing to write does nothing."""

import threading
from collections.abc import Iterator

import pytest

from converse_stream.models import Conversation, Message
from converse_stream.models.opening import insert, live
from converse_stream.recorder import Recorder, recorder
from converse_stream.recorder.outbox import Outbox
from converse_stream.writer import PrismStream

pytestmark = pytest.mark.django_db(transaction=True)


class Counted(Recorder):
    """Counts how often its thread wakes up, and tells when it has rested for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes = 0
        self.rested = threading.Event()

    def _sleep(self, look_at: float, idle_at: float) -> list[Outbox]:
        dirty = super()._sleep(look_at, idle_at)
        self.wakes += 1
        return dirty

    def _prune(self) -> None:
        super()._prune()
        self.rested.set()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    monkeypatch.setattr(recorder, "IDLE", 0.02)
    made = Counted()
    yield made
    made.stop()


def answer(counted: Counted, *, look: bool = False) -> Message:
    message = live(provider="", model="", metadata={})
    insert(Conversation.objects.create(), [message])
    with PrismStream(message, counted) as stream:
        stream.append("Hello")
        if look:
            counted.look_soon([str(message.pk)])
    return stream.message


def test_the_recorder_of_an_idle_process_does_not_wake_up(counted: Counted) -> None:
    answer(counted)
    assert counted.rested.wait(10)
    before = counted.wakes

    for _ in range(5):  # in as many milliseconds a thread that spins wakes up thousands of times
        Conversation.objects.create()
    assert answer(counted).content == "Hello"

    assert counted.wakes - before < 12


def test_a_look_that_was_asked_for_as_the_last_answer_ended_is_not_repeated(counted: Counted) -> None:
    for _ in range(20):
        answer(counted, look=True)
    assert counted.rested.wait(10)
    before = counted.wakes

    for _ in range(5):
        Conversation.objects.create()

    assert counted.wakes - before < 3
