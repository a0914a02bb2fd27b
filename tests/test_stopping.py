"""Stop works from any process, keeps the text, ends every viewer, and there is one ending whoever is quicker."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from converse_stream.exceptions import StreamClosed
from converse_stream.models import Conversation, Message, Status
from converse_stream.signals import stream_cancelled, stream_completed
from converse_stream.testing import ScriptedProvider
from tests.servers import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)

RACES = int(os.environ.get("RACES", "100"))
"""How often the race is run; `make races` runs it 1,000 times."""

STOP = """
import sys, django
django.setup()
from converse_stream.models import Message
sys.exit(not Message.objects.get(pk=sys.argv[1]).cancel())
"""


def stop_from_another_process(message: Message) -> None:
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    subprocess.run([sys.executable, "-c", STOP, str(message.pk)], env=env, cwd=ROOT, check=True, timeout=60)


def test_a_stop_from_another_process_ends_a_silent_answer_within_two_seconds(conversation: Conversation) -> None:
    """Seeds: T-08."""
    silence = threading.Event()
    message = conversation.ask("go", model=ScriptedProvider(["The first words.", silence, "never said"]))
    kinds: list[list[str]] = []
    seen = threading.Barrier(4)

    def view() -> None:
        try:
            events = message.follow(timeout=60)
            list_of = [next(events).kind, next(events).kind]
            seen.wait(60)
            kinds.append(list_of + [event.kind for event in events])
        finally:
            connection.close()

    viewers = [threading.Thread(target=view) for _ in range(3)]
    for viewer in viewers:
        viewer.start()
    seen.wait(60)
    stop_from_another_process(message)
    stopped = time.monotonic()
    for viewer in viewers:
        viewer.join(10)
    took = time.monotonic() - stopped

    message.refresh_from_db()
    assert (message.status, message.content) == (Status.CANCELLED, "The first words.")
    assert kinds == [["start", "text", "cancelled"]] * 3
    assert took < 2
    silence.set()


def test_a_stopped_provider_is_closed(conversation: Conversation) -> None:
    silence, closed = threading.Event(), threading.Event()

    class Closing(ScriptedProvider):
        async def deltas(self, prompt):
            try:
                async for delta in super().deltas(prompt):
                    yield delta
            finally:
                closed.set()

    message = conversation.ask("go", model=Closing(["x", silence]))
    events = message.follow(timeout=60)
    next(events), next(events)

    message.cancel()

    assert closed.wait(60)
    events.close()


def test_stopping_twice_and_after_the_end_changes_nothing(conversation: Conversation) -> None:
    stream = conversation.start_stream().append("done")
    stream.complete()
    finished = Message.objects.get(pk=stream.message.pk)

    assert not finished.cancel()
    assert not finished.cancel()

    assert Message.objects.get(pk=stream.message.pk).to_dict() == finished.to_dict()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_stop_racing_complete_gives_one_ending_every_time(conversation: Conversation) -> None:
    """Seeds: T-08."""
    endings: dict[str, list[str]] = {}

    def record(status: str):
        def receiver(sender, message, **_):
            endings.setdefault(str(message.pk), []).append(status)

        return receiver

    cancelled, completed = record("cancelled"), record("complete")
    stream_cancelled.connect(cancelled)
    stream_completed.connect(completed)
    outcomes = {"complete": 0, "cancelled": 0}
    with ThreadPoolExecutor(1) as other:
        for turn in range(RACES):
            stream = conversation.start_stream().append("text")
            stopping = Message.objects.get(pk=stream.message.pk)
            begin = threading.Event()
            stop = other.submit(lambda stopping=stopping, begin=begin: begin.wait() and stopping.cancel())
            if turn % 3:
                begin.set()
            try:
                stream.complete()
                winner = "complete"
            except StreamClosed:
                winner = "cancelled"
            begin.set()
            assert stop.result() is (winner == "cancelled")
            message = Message.objects.get(pk=stream.message.pk)
            assert message.status == winner
            assert message.live_in is None
            outcomes[winner] += 1
        other.submit(lambda: connection.close())  # that of its own thread
    stream_cancelled.disconnect(cancelled)
    stream_completed.disconnect(completed)

    assert outcomes["complete"] and outcomes["cancelled"]
    assert all(len(statuses) == 1 for statuses in endings.values())
