"""A process that was frozen until others took it for dead: when it goes on, it writes nothing more."""

import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, connection, transaction

from converse_stream.models import Attempt, Chunk, Conversation, Message, Status
from converse_stream.models.opening import insert, live
from converse_stream.recorder import Outbox
from converse_stream.recorder.statements import Statements
from tests.faults.visitor import Visitor
from tests.servers import Server, launch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SITE = {"LEASE": 1, "PROVIDERS": {"demo": {"pace": 0.005}}}


def test_a_process_frozen_past_its_lease_writes_nothing_more(user: User) -> None:
    """Seeds: T-09."""
    visitor, conversation = Visitor(user), Conversation.objects.create(owner=user)
    with launch("uvicorn", settings=SITE) as server:
        viewing = visitor.view(server.url, visitor.ask(server.url, "/long 100000", conversation))
        viewing.wait_for(lambda follower: len(follower.text) > 100)

        with frozen(server):
            lost = Message.objects.get(pk=viewing.message_id).wait(15)
            assert (lost.status, lost.error_code) == (Status.FAILED, "worker_lost")
            assert lost.content.startswith(viewing.follower.text)
            before = everything(lost)

        seen = viewing.end()
        wait_for_the_writers_end(server, lost)
        again = Message.objects.get(pk=visitor.ask(server.url, "/long 20", conversation)).wait(15)

    assert everything(lost) == before
    assert (seen.ending, seen.text) == ("failed", lost.content)
    assert (again.status, again.content) == (Status.COMPLETE, "".join(f"{number} " for number in range(1, 21)))


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Stop a server; on SQLite at a moment between two commits, as its lock on the whole database would stay."""
    is_between = False
    while not is_between:
        server.process.send_signal(signal.SIGSTOP)
        is_between = connection.vendor != "sqlite" or not is_locked()
        if not is_between:
            server.process.send_signal(signal.SIGCONT)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def is_locked() -> bool:
    """Whether somebody is in the middle of writing to SQLite."""
    try:
        with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0.1)) as other:
            other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    return False


def everything(message: Message) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """Return the whole row of a message, and its chunks."""
    rows = Chunk.objects.filter(message_id=message.pk).values_list("start", "end", "kind", "data")
    return Message.objects.filter(pk=message.pk).values().get(), list(rows)


def wait_for_the_writers_end(server: Server, message: Message) -> None:
    """Wait until the generation in the server has noted how its call went: that is the last thing it does."""
    calls = Attempt.objects.filter(message=message, outcome=Attempt.Outcome.RUNNING)
    for _look in range(100):
        if not calls.exists():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.1)
    pytest.fail("the frozen process still writes")


@pytest.mark.postgres
def test_a_process_frozen_in_the_middle_of_a_commit_holds_nobody_up(settings: Any, conversation: Conversation) -> None:
    settings.CONVERSE_STREAM = {"LEASE": 0.4, "POLL_INTERVAL": 0.05}
    message = live(provider="", model="", metadata={})
    insert(conversation, [message])
    fenced, thawed = threading.Event(), threading.Event()

    def commit() -> None:
        try:
            with transaction.atomic():
                assert Statements("default").fence([Outbox(message)])
                fenced.set()
                thawed.wait(60)
                Chunk.objects.create(message=message, start=0, end=1, kind="text", data="x")
        finally:
            connection.close()

    with ThreadPoolExecutor() as frozen_process:
        end = frozen_process.submit(commit)
        assert fenced.wait(60)
        lost = Message.objects.get(pk=message.pk).wait(15)
        thawed.set()

    assert (lost.status, lost.error_code) == (Status.FAILED, "worker_lost")
    assert isinstance(end.exception(), DatabaseError | InterfaceError)
    assert not Chunk.objects.exists()
