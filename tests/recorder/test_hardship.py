"""The recorder's thread outlives what happens around it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from django.db import InterfaceError, OperationalError
from django.db.backends.signals import connection_created

from converse_stream.models import Conversation, Message, Status
from converse_stream.models.opening import insert, live
from converse_stream.recorder import Recorder
from converse_stream.writer import PrismStream
from tests.servers import ROOT, database_url

pytestmark = pytest.mark.django_db(transaction=True)

EXIT = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from converse_stream.models import Conversation

completing, going_on = (Conversation.objects.get(pk=pk).start_stream() for pk in sys.argv[1:])

def complete():
    try:
        while True:
            other.submit(threading.Event().wait, 0.01).result()
    except RuntimeError:  # the interpreter shuts down: its executors take no more work
        completing.append("whole").complete()
        going_on.append("part")

executor, other = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
executor.submit(complete)
"""


def test_an_answer_that_ends_while_the_interpreter_shuts_down_takes_no_other_with_it() -> None:
    conversations = [Conversation.objects.create(), Conversation.objects.create()]
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    command = [sys.executable, "-c", EXIT, *(str(conversation.pk) for conversation in conversations)]

    run = subprocess.run(command, cwd=ROOT, env=env, timeout=60, capture_output=True, text=True, check=True)

    rows = Message.objects.order_by("started_at").values_list("status", "error_code", "content")
    assert sorted(rows) == [(Status.COMPLETE, "", "whole"), (Status.FAILED, "shutdown", "part")]
    assert "Traceback" not in run.stderr


class Trouble:
    """Makes the next statement of the recorder's thread raise, as a driver would that lost its connection."""

    def __init__(self) -> None:
        self.next: Exception | None = None
        self.came = threading.Event()

    def __call__(self, execute, sql, params, many, context):
        if self.next is not None and threading.current_thread().name == "converse-recorder":
            error, self.next = self.next, None
            self.came.set()
            raise error
        return execute(sql, params, many, context)


@pytest.fixture
def trouble() -> Iterator[Trouble]:
    trouble = Trouble()

    def wrap(connection, **_) -> None:
        connection.execute_wrappers.append(trouble)

    connection_created.connect(wrap)
    yield trouble
    connection_created.disconnect(wrap)


@pytest.mark.parametrize(
    "error", [OperationalError("gone"), InterfaceError("closed")], ids=["operational", "interface"]
)
def test_a_connection_lost_in_silence_or_in_a_commit_loses_nothing(
    conversation: Conversation, trouble: Trouble, error: Exception
) -> None:
    stream = conversation.start_stream().append("one ").data("mark", 1)

    trouble.next = error
    assert trouble.came.wait(60)  # in a look at the leases: nothing is said
    trouble.next = error
    stream.append("two").data("mark", 2)

    assert trouble.next is None
    assert stream.complete().content == "one two"


class Lingering(Recorder):
    """Its thread ends only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.wrote, self.may_end = threading.Event(), threading.Event()

    def _run(self) -> None:
        super()._run()
        self.wrote.set()
        self.may_end.wait(60)


def test_an_answer_that_begins_while_the_recorder_ends_is_written(conversation: Conversation) -> None:
    recorder = Lingering()
    begin(conversation, recorder).append("before").complete()
    ending = threading.Thread(target=recorder.stop)
    ending.start()
    assert recorder.wrote.wait(60)

    late = begin(conversation, recorder).append("late")
    recorder.may_end.set()
    ending.join(60)

    assert late.complete().content == "late"
    recorder.stop()


def begin(conversation: Conversation, recorder: Recorder) -> PrismStream:
    message = live(provider="", model="", metadata={})
    insert(conversation, [message])
    return PrismStream(message, recorder)
