"""The database goes away, or belongs to somebody else for a while, in the middle of answers: nothing is lost."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from django.db import connection, transaction

from converse_stream.models import Chunk, Message, Status
from tests.faults.answers import COUNTS, PAUSE, Answer
from tests.faults.postgres import lacks_binaries, own_postgres
from tests.servers import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

HELD = 3.0
ANSWERS = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from tests.faults.answers import COUNTS, Answer
call_command("migrate", verbosity=0)
answers = [Answer(count) for count in COUNTS]
for answer in answers:
    answer.wait_for_words()
connection.close()
print("begun", flush=True)
for answer in answers:
    answer.wait()
for answer in answers:
    answer.check()
"""


@pytest.fixture
def answers() -> list[Answer]:
    answers = [Answer(count) for count in COUNTS]
    for answer in answers:
        answer.wait_for_words()
    return answers


@contextmanager
def write_lock() -> Iterator[None]:
    """Hold SQLite's write lock over a connection that Django knows nothing of."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


@pytest.mark.parametrize("timeout", [20, 0.3], ids=["by waiting", "by trying again"])
def test_who_holds_sqlite_for_three_seconds_costs_no_answer_anything(timeout, monkeypatch, request) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one write lock for all")
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", timeout)
    answers = request.getfixturevalue("answers")

    with write_lock():
        stored = Chunk.objects.count()
        PAUSE.wait(HELD)
        assert Chunk.objects.count() == stored

    for answer in answers:
        answer.check()


@pytest.mark.postgres
@pytest.mark.timeout(150)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_postgresql_costs_no_answer_anything(mode: str) -> None:
    if reason := lacks_binaries():
        (pytest.fail if os.environ.get("CONVERSE_REQUIRE_SERVICES") else pytest.skip)(reason)
    with own_postgres() as server:
        env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": server.url}
        command = [sys.executable, "-c", ANSWERS]
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            begun = process.stdout.readline()
            assert begun, process.communicate()[1]
            for _restart in range(3):
                server.restart(mode)
                PAUSE.wait(0.5)
            assert process.poll() is None
            _, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    assert "the database cannot be written to; trying again" in errors


@pytest.mark.postgres
def test_a_view_that_stops_one_answer_and_holds_its_transaction_delays_no_other(answers: list[Answer]) -> None:
    stopped, *others = answers[::-1]

    with transaction.atomic():
        assert Message.objects.get(pk=stopped.message.pk).cancel()
        PAUSE.wait(5)
    stopped.wait()

    assert Message.objects.get(pk=stopped.message.pk).status == Status.CANCELLED
    assert stopped.longest_silence() > 4
    for answer in others:
        answer.check()
        assert answer.longest_silence() < 2
