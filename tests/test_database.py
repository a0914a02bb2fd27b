"""The database threads keep a connection for as long as they have work, and find out when the server has hung up."""

from typing import Any

import pytest
from django.db import connection, connections

from converse_stream import database
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def opened() -> Any:
    """Return the connection itself that a job is given."""
    connection.ensure_connection()
    return connection.connection


def wrapped() -> Any:
    """Return Django's wrapper of the connection that a job is given."""
    connection.ensure_connection()
    return connections["default"]


def one_thread(monkeypatch: pytest.MonkeyPatch, *, idle: float) -> None:
    monkeypatch.setattr(database, "_THREADS", {"database": 1, "afterwards": 1})
    monkeypatch.setattr(database, "IDLE", idle)


def test_a_connection_is_kept_from_one_job_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch, idle=60.0)

    assert database.submit(opened).result(30) is database.submit(opened).result(30)


def test_a_connection_is_closed_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch, idle=0.1)
    wrapper = database.submit(wrapped).result(30)
    assert wrapper.connection is not None

    until(lambda: wrapper.connection is None, 30)


def test_a_connection_that_was_cut_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch, idle=60.0)
    cut = database.submit(opened).result(30)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [cut.info.backend_pid])

    assert database.submit(query).result(30) == 1


def query() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


@pytest.mark.skipif(connection.vendor == "postgresql", reason="there the option makes a real pool")
def test_a_pool_is_given_its_connection_back_after_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch, idle=60.0)
    before = database.submit(opened).result(30)

    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict["OPTIONS"], "pool", True)
        database.submit(query).result(30)

    assert database.submit(opened).result(30) is not before
