"""Answers in real workers, and workers that are killed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from converse_stream import recorder
from converse_stream.models import Conversation, Message, Status, claims
from tests.brokers.redis import Redis, own_redis
from tests.runners.site import app
from tests.servers import ROOT, database_url
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(150)]

SITE = {
    "LEASE": 2,
    "DEFAULT_MODEL": "census",
    "PROVIDERS": {
        "census": {"class": "tests.runners.site.Census"},
        "moody": {"class": "tests.runners.site.Moody"},
    },
}
POOLS = {"threads": "celery -A tests.runners.site worker --pool threads -c 16 -l warning"}
POOLS["prefork"] = POOLS["threads"].replace("threads -c 16", "prefork -c 2")


@contextmanager
def worker(command: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker on the tests' database."""
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "CONVERSE_STREAM": json.dumps(SITE | {"RUNNER": "celery" if "celery" in command else "tasks"}),
        **environment,
    }
    process = subprocess.Popen([sys.executable, "-m", *command.split()], cwd=ROOT, env=env, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with own_redis() as server:
        app.conf.broker_url = server.url  # before its first use: it keeps the connection
        yield server
        app.pool.force_close_all()


@pytest.fixture
def celery(redis: Redis, settings: Any) -> dict[str, str]:
    """Celery over a Redis of the tests' own. Return the environment of its workers."""
    settings.CONVERSE_STREAM = SITE | {"RUNNER": "celery"}
    redis.command("FLUSHALL")
    return {"CELERY_BROKER": redis.url}


@pytest.fixture(autouse=True)
def _recover_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converse_stream.models.leases.RECOVER_INTERVAL", 0.2)


def ask(count: int, question: str = "Hi", **wishes: Any) -> list[Message]:
    return [Conversation.objects.create().ask(question, **wishes) for _ in range(count)]


def ended(messages: list[Message]) -> list[list[str]]:
    """Return the words of all these answers once they are complete."""
    for message in messages:
        assert message.wait(60).status == Status.COMPLETE, message.error_message
    return [message.content.split() for message in messages]


@pytest.mark.redis
def test_all_answers_of_a_worker_of_threads_share_one_loop_and_one_recorder(celery: dict[str, str]) -> None:
    with worker(POOLS["threads"], **celery):
        words = ended(ask(12))

    assert len({pid for pid, _loops, _recorders in words}) == 1
    assert {(loops, recorders) for _pid, loops, recorders in words} == {("1", "1")}


@pytest.mark.redis
def test_a_pool_of_processes_works_too(celery: dict[str, str]) -> None:
    with worker(POOLS["prefork"], **celery) as parent:
        words = ended(ask(6))

    pids = {pid for pid, _loops, _recorders in words}
    assert len(pids) == 2
    assert str(parent.pid) not in pids
    assert {(loops, recorders) for _pid, loops, recorders in words} == {("1", "1")}


@pytest.mark.redis
def test_a_worker_takes_no_more_answers_than_it_has_threads(celery: dict[str, str], settings: Any) -> None:
    """What waited there behind answers that take long would begin late, though another worker has the time."""
    settings.CONVERSE_STREAM = SITE | {"RUNNER": "celery", "LEASE": 120}
    patient = celery | {"CONVERSE_STREAM": json.dumps(settings.CONVERSE_STREAM)}
    small = POOLS["threads"].replace("-c 16", "-c 2 --disable-prefetch")
    with worker(small, MOOD="sudden", **patient):
        busy = ask(2, model="moody")
        for message in busy:
            next(event for event in message.follow(timeout=60) if event.kind == "text")
        more = ask(2, model="moody")
        with worker(POOLS["threads"], **patient):
            assert ended(more) == [["Hello", "there"]] * 2
        for message in busy:
            message.cancel()


@pytest.mark.redis
def test_a_worker_outlives_a_restart_of_redis_with_its_answers(celery: dict[str, str], redis: Redis) -> None:
    with worker(POOLS["threads"], MOOD="sudden", **celery) as process:
        before = ask(2, model="moody")
        for message in before:
            next(event for event in message.follow(timeout=60) if event.kind == "text")
        redis.kill()
        redis.start()
        (after,) = ask(1, model="moody")
        next(event for event in after.follow(timeout=60) if event.kind == "text")

        assert process.poll() is None
        for message in [*before, after]:
            message.refresh_from_db()
            assert (message.status, message.claims) == (Status.STREAMING, 1)
            message.cancel()


@pytest.mark.redis
def test_1_an_answer_whose_worker_is_killed_before_its_first_word_is_begun_again(celery: dict[str, str]) -> None:
    with worker(POOLS["threads"], MOOD="silent", **celery) as silent:
        (message,) = ask(1, model="moody")
        until(lambda: message.attempts.exists(), 60)
        silent.kill()
        silent.wait()
    with worker(POOLS["threads"], **celery):
        assert ended([message]) == [["Hello", "there"]]

    assert message.claims == 2


@pytest.mark.redis
def test_68_an_old_worker_leaves_the_answers_of_a_newer_release_to_a_newer_worker(
    celery: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    newer_release = claims.REQUEST_VERSION + 1
    with worker(POOLS["threads"], **celery):
        with monkeypatch.context() as web:
            web.setattr(claims, "REQUEST_VERSION", newer_release)
            (newer,) = ask(1)
        ended(ask(1))
        newer.refresh_from_db()
        assert (newer.status, newer.claims) == (Status.PENDING, 0)

    with worker(POOLS["threads"], RELEASE=str(newer_release), **celery):
        Message.objects.filter(pk=newer.pk).update(lease_expires_at=timezone.now())
        ended([newer])
    assert newer.claims == 1


@pytest.mark.redis
def test_2_an_answer_whose_worker_is_killed_in_the_middle_keeps_its_text(celery: dict[str, str]) -> None:
    with worker(POOLS["threads"], MOOD="sudden", **celery) as sudden:
        (message,) = ask(1, model="moody")
        events = message.follow(timeout=60)
        assert next(event.text for event in events if event.kind == "text") == "Hello "
        sudden.kill()
        ending = [*events][-1]

    message.refresh_from_db()
    assert (ending.kind, ending.data["error"]["code"], ending.data["error"]["retryable"]) == (
        "failed",
        "worker_lost",
        True,
    )
    assert (message.status, message.content, message.claims) == (Status.FAILED, "Hello ", 1)


@pytest.mark.redis
def test_a_stop_reaches_the_worker_and_frees_it(celery: dict[str, str]) -> None:
    single = POOLS["prefork"].replace("-c 2", "-c 1")
    with worker(single, MOOD="sudden", **celery):
        (message,) = ask(1, model="moody")
        next(event for event in message.follow(timeout=60) if event.kind == "text")
        assert message.cancel()
        ended(ask(1))

    message.refresh_from_db()
    assert (message.status, message.content) == (Status.CANCELLED, "Hello ")


@pytest.mark.redis
def test_6_a_worker_that_is_told_to_end_gives_its_answers_the_time_there_is(celery: dict[str, str]) -> None:
    hurried = json.dumps(SITE | {"RUNNER": "celery", "DRAIN_SECONDS": 1})
    with worker(POOLS["threads"], MOOD="sudden", **celery, CONVERSE_STREAM=hurried) as process:
        (message,) = ask(1, model="moody")
        next(event for event in message.follow(timeout=60) if event.kind == "text")
        process.terminate()
        process.wait(60)

    message.refresh_from_db()
    assert (message.status, message.error_code, message.content) == (Status.FAILED, "shutdown", "Hello ")


@pytest.mark.redis
def test_6_a_worker_that_ends_hands_back_what_has_said_nothing(celery: dict[str, str]) -> None:
    hurried = json.dumps(SITE | {"RUNNER": "celery", "DRAIN_SECONDS": 0.5})
    with worker(POOLS["threads"], MOOD="silent", **celery, CONVERSE_STREAM=hurried) as process:
        (message,) = ask(1, model="moody")
        until(lambda: message.attempts.exists(), 60)
        process.terminate()
        process.wait(60)
    message.refresh_from_db()
    assert message.status == Status.PENDING

    with worker(POOLS["threads"], **celery):
        assert ended([message]) == [["Hello", "there"]]


@pytest.mark.redis
def test_a_queue_that_forgets_everything_loses_no_answer(celery: dict[str, str], redis: Redis) -> None:
    (message,) = ask(1)
    until(lambda: redis.command("LLEN", "celery") == 1)
    redis.command("FLUSHALL")

    with worker(POOLS["threads"], **celery):
        assert len(ended([message])) == 1


def test_tasks_of_django_in_the_database(settings: Any) -> None:
    call_command("migrate", "django_tasks_database", verbosity=0)
    settings.CONVERSE_STREAM = SITE | {"RUNNER": "tasks"}
    with worker("django db_worker --interval 0.1"):
        words = ended(ask(3))

    assert len({pid for pid, _loops, _recorders in words}) == 1
    assert words[0][0] != str(os.getpid())


def test_tasks_of_django_that_run_at_once_stream_all_the_same(settings: Any) -> None:
    """ImmediateBackend runs a task in the thread that enqueues it: that is not the one that asks."""
    immediate = "django_tasks.backends.immediate.ImmediateBackend"
    settings.TASKS = {"default": {"BACKEND": immediate}}
    settings.CONVERSE_STREAM = SITE | {"RUNNER": "tasks"}
    (message,) = ask(1)
    assert message.status == Status.PENDING

    assert ended([message])[0][0] == str(os.getpid())
    recorder.stop()
