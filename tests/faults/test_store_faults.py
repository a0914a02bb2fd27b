"""What can be wrong with the database, and with whoever writes to it (rows 10, 17 and 19 to 24 of the fault matrix)."""

import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.db.backends.signals import connection_created
from django.test import Client
from django.test.testcases import DatabaseOperationForbidden

from converse_stream.exceptions import Overloaded
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.recorder.pace import OUTAGE
from tests.faults.answers import PACE, PAUSE, Answer
from tests.faults.test_outage import write_lock
from tests.turns import InTurn
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_10_user_code_that_blocks_the_event_loop_costs_no_lease(conversation: Conversation, settings: Any) -> None:
    """The recorder renews leases in a thread of its own. What never goes on misses the deadlines of its provider."""
    settings.CONVERSE_STREAM = {"LEASE": 0.5}

    async def blocking() -> AsyncIterator[str]:
        yield "before "
        time.sleep(2)  # noqa: ASYNC251 - that is the fault
        yield "after"

    message = conversation.ask("go", source=blocking())
    assert [event.text for event in message.follow(timeout=60) if event.text] == ["before ", "after"]
    assert message.wait(60).status == Status.COMPLETE


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_17_an_outage_that_lasts_ends_the_answer_truthfully_once_the_database_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("who holds SQLite's one write lock is as good as an outage")
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.3)
    left = threading.Event()

    def endless() -> Iterator[str]:
        try:
            yield from ("word " for _ in iter(lambda: PAUSE.wait(PACE), True))
        finally:
            left.set()

    message = Conversation.objects.create().ask("go", source=endless())
    until(lambda: Chunk.objects.filter(message_id=message.pk).exists())

    with write_lock():
        stored = sum(len(data) for data in Chunk.objects.values_list("data", flat=True))
        assert left.wait(OUTAGE + 30)  # nobody goes on asking for what cannot be kept
    message = message.wait(60)

    assert (message.status, message.error_code) == (Status.FAILED, "store_unavailable")
    assert len(message.content) >= stored
    assert message.content.startswith("word word ")


@pytest.mark.slow
def test_16_an_answer_that_is_about_to_begin_when_the_database_goes_away_begins_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, conversation: Conversation
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("who holds SQLite's one write lock is as good as an outage")
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.3)
    refuse = threading.Event()
    provider = InTurn([refuse, Overloaded("try later")], ["Hello."])

    message = conversation.ask("go", model=provider)
    until(lambda: provider.prompts)
    with write_lock():
        refuse.set()
        PAUSE.wait(2)
        assert len(provider.prompts) == 1
    message = message.wait(30)

    assert (message.status, message.error_code, message.content) == (Status.COMPLETE, "", "Hello.")


class Exhausted:
    """A database that has no connection left."""

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError("sorry, too many clients already")


@pytest.mark.parametrize("path", ["/api/conversations/", "/api/conversations/{pk}/messages/"])
def test_19_without_a_connection_a_request_is_told_when_to_come_back(
    path: str, user: User, conversation: Conversation
) -> None:
    client = Client()
    client.force_login(user)
    with connection.execute_wrapper(Exhausted()):
        response = client.post(path.format(pk=conversation.pk), {"content": "Hi"}, "application/json")

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["error"]["code"] == "store_unavailable"
    assert "clients" not in response.content.decode()


class ReadsElsewhere:
    """A router that sends reads to a replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


@pytest.fixture
def replica(settings: Any) -> Iterator[None]:
    """Send reads to a database that may not be touched: one that lags would tell what is not so any more."""
    connections.databases["replica"] = {**connections.databases["default"]}
    settings.DATABASE_ROUTERS = [ReadsElsewhere()]
    with pytest.raises(DatabaseOperationForbidden):
        Message.objects.exists()
    yield
    settings.DATABASE_ROUTERS = []
    del connections["replica"]
    del connections.databases["replica"]


def test_21_a_replica_that_lags_holds_no_answer_back(conversation: Conversation, replica: None) -> None:
    stream = conversation.start_stream()
    body = iter(stream.message.stream_response())
    begun = next(body) + next(body)
    stream.append("said a moment ago")
    text = next(body)
    stream.complete()

    assert b"event: start" in begun
    assert b"said a moment ago" in text
    assert b"event: complete" in b"".join(body)


def test_23_a_full_disk_is_waited_out_and_costs_no_answer_anything() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite can be told how large it may grow")
    connections_full = threading.Event()

    def limit(connection: Any, **kwargs: Any) -> None:
        if connections_full.is_set() and threading.current_thread().name == "converse-recorder":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA max_page_count = 1")  # as many as there are

    connection_created.connect(limit)
    connections_full.set()
    try:
        answer = Conversation.objects.create().ask("go", source=said_at_length())
        until(lambda: Chunk.objects.filter(message_id=answer.pk).exists())
        sizes = [Chunk.objects.count()]
        until(lambda: sizes.append(Chunk.objects.count()) or (sizes[-1] == sizes[-40:][0] and len(sizes) > 40))
    finally:
        connections_full.clear()
        connection_created.disconnect(limit)

    message = answer.wait(60)
    assert (message.status, message.content) == (Status.COMPLETE, "".join(said_at_length(pace=0)))
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def said_at_length(pace: float = 0.005) -> Iterator[str]:
    """Say what fills pages."""
    for number in range(150):
        PAUSE.wait(pace)
        yield f"{number:05}" * 300


@pytest.mark.slow
def test_24_a_table_that_is_migrated_meanwhile_costs_no_answer_anything() -> None:
    answers = [Answer(count) for count in (100, 200)]
    for answer in answers:
        answer.wait_for_words()

    table = connection.ops.quote_name(Message._meta.db_table)
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN later integer NULL")
            cursor.execute(f"ALTER TABLE {table} DROP COLUMN later")

    for answer in answers:
        answer.check()
