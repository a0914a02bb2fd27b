"""Signals tell a site what happened, once, after the commit, and a receiver that fails hurts nobody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction

from converse_stream.models import Conversation, Message, Status
from converse_stream.signals import stream_cancelled, stream_completed, stream_failed, stream_started

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {
    "started": stream_started,
    "completed": stream_completed,
    "failed": stream_failed,
    "cancelled": stream_cancelled,
}


class Heard(list[tuple[str, str, str]]):
    """What was sent: the signal, and the status and content that its receiver found in the database."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()

    def add(self, name: str, message: Message) -> None:
        stored = Message.objects.get(pk=message.pk)
        with self._news:
            self.append((name, stored.status, stored.content))
            self._news.notify_all()

    def wait_for(self, count: int) -> list[tuple[str, str, str]]:
        with self._news:
            assert self._news.wait_for(lambda: len(self) >= count, timeout=60)
            return list(self)


@contextmanager
def listening() -> Iterator[Heard]:
    heard = Heard()
    receivers = {name: (lambda sender, message, name=name, **_: heard.add(name, message)) for name in ALL}
    for name, signal in ALL.items():
        signal.connect(receivers[name])
    try:
        yield heard
    finally:
        for name, signal in ALL.items():
            signal.disconnect(receivers[name])


def test_an_answer_is_started_and_completed_once(conversation: Conversation) -> None:
    """Seeds: V-21."""
    with listening() as heard:
        conversation.ask("go", source=["the ", "answer"]).wait(60)

        assert heard.wait_for(2)[1] == ("completed", "complete", "the answer")
        assert [name for name, *_ in heard] == ["started", "completed"]


def test_a_stop_is_told_once_whoever_asks_for_it(conversation: Conversation) -> None:
    with listening() as heard:
        stream = conversation.start_stream().append("half").data("mark", 1)
        message = Message.objects.get(pk=stream.message.pk)
        message.cancel()
        message.cancel()

        assert heard.wait_for(2)[1:] == [("cancelled", "cancelled", "half")]


def test_a_failure_is_told_after_its_commit(conversation: Conversation) -> None:
    """Seeds: V-30."""
    with listening() as heard:
        with pytest.raises(ZeroDivisionError), conversation.start_stream() as stream:
            stream.append("half")
            raise ZeroDivisionError

        assert heard.wait_for(2)[1:] == [("failed", "failed", "half")]


def test_nothing_is_told_of_what_was_rolled_back(conversation: Conversation) -> None:
    with listening() as heard:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            conversation.ask("go", source=["x"])
            raise ZeroDivisionError
        conversation.ask("again", source=["y"]).wait(60)

        assert [name for name, *_ in heard.wait_for(2)] == ["started", "completed"]


def test_a_receiver_that_raises_hurts_nobody(conversation: Conversation) -> None:
    def explode(**_: object) -> None:
        raise ZeroDivisionError

    stream_started.connect(explode)
    stream_completed.connect(explode)
    try:
        with listening() as heard:
            message = conversation.ask("go", source=["fine"]).wait(60)
            heard.wait_for(2)
    finally:
        stream_started.disconnect(explode)
        stream_completed.disconnect(explode)

    assert (message.status, message.content) == (Status.COMPLETE, "fine")
