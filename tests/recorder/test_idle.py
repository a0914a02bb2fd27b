"""A process that has nothing to write does nothing."""

import threading
from collections.abc import Iterator

import pytest

from converse_stream import database
from converse_stream.models import Conversation, Message, Status
from converse_stream.models.opening import insert, live
from converse_stream.recorder import Recorder, recorder
from converse_stream.recorder.outbox import Outbox
from converse_stream.signals import stream_completed
from converse_stream.writer import PrismStream
from tests.waiting import until

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
    assert counted.rested.wait(60)
    before = counted.wakes

    for _ in range(5):  # in as many milliseconds a thread that spins wakes up thousands of times
        Conversation.objects.create()
    assert answer(counted).content == "Hello"

    assert counted.wakes - before < 12


def test_a_look_that_was_asked_for_as_the_last_answer_ended_is_not_repeated(counted: Counted) -> None:
    for _ in range(20):
        answer(counted, look=True)
    assert counted.rested.wait(60)
    before = counted.wakes

    for _ in range(5):
        Conversation.objects.create()

    assert counted.wakes - before < 3


def test_what_is_flushed_while_the_recorder_takes_is_taken_the_next_time(conversation: Conversation) -> None:
    message = live(provider="", model="", metadata={})
    insert(conversation, [message])
    made, outbox = Recorder(), Outbox(message)

    with made._wake:  # as the recorder's own thread holds it
        flushing = threading.Thread(target=made.flush, args=(outbox,))
        flushing.start()
        until(lambda: outbox.is_dirty, 30)
        assert made._take(of_all=True) == []
    flushing.join(30)

    assert made._take(of_all=True) == [outbox]


def test_an_ending_is_told_once_though_its_writer_waits_for_it_while_it_is_committed(
    conversation: Conversation,
) -> None:
    told: list[Message] = []

    def tell(message: Message, **_: object) -> None:
        told.append(message)

    stream_completed.connect(tell)
    message = live(provider="", model="", metadata={})
    insert(conversation, [message])
    made, outbox = Recorder(), Outbox(message)
    outbox.end({"status": Status.COMPLETE})
    taken = outbox.take()
    waiting = made.flush(outbox)

    made._commit([taken])
    assert waiting.done()
    made._write(made._take(of_all=True))

    for _ in range(2):  # one thread tells the other
        database.close_pools()
    stream_completed.disconnect(tell)
    assert told == [message]
