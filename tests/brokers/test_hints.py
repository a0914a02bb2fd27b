"""Hints between processes: quick where there is a way, lost where there is none, and never waited for."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import connection

from converse_stream.brokers import background
from converse_stream.brokers.background import BackgroundBroker
from converse_stream.brokers.channel_layer import ChannelLayerBroker
from converse_stream.brokers.notify import NotifyBroker
from converse_stream.models import Conversation, Status
from converse_stream.recorder import recorder
from tests.brokers.redis import CORE, PUBSUB, Redis, own_redis
from tests.faults.visitor import Visitor
from tests.servers import serve
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
needs_redis = pytest.mark.redis
needs_postgres = pytest.mark.postgres


class Ear:
    """A broker as another process would have it, and what it hears."""

    def __init__(self, kind: type[BackgroundBroker] = ChannelLayerBroker) -> None:
        self.heard: set[str] = set()
        self.broker = kind()
        self.broker.listen(self.heard.update)

    def hears(self, speaker: "Ear") -> None:
        """Wait until what the speaker says is heard here."""
        count = iter(range(10**6))

        def is_heard() -> bool:
            word = f"word-{next(count)}"
            speaker.broker.publish([word])
            return any(one.startswith("word-") for one in self.heard)

        self.heard.clear()
        until(is_heard, 20)


@contextmanager
def two(kind: type[BackgroundBroker] = ChannelLayerBroker) -> Iterator[tuple[Ear, Ear]]:
    one, other = Ear(kind), Ear(kind)
    try:
        yield one, other
    finally:
        one.broker.close()
        other.broker.close()


@pytest.fixture
def redis(settings) -> Iterator[Redis]:
    with own_redis() as server:
        settings.CHANNEL_LAYERS = server.layers()
        yield server


@pytest.fixture(params=["channel_layer", "notify"])
def broker(request, settings) -> Iterator[dict[str, str]]:
    """A broker that works. Return the environment of a server that uses it too."""
    settings.CONVERSE_STREAM = {"BROKER": request.param}
    if request.param == "notify":
        yield {}
        return
    server: Redis = request.getfixturevalue("redis")
    yield {"CHANNEL_LAYERS": json.dumps(server.layers())}


both = pytest.mark.parametrize(
    "broker",
    [pytest.param("channel_layer", marks=needs_redis), pytest.param("notify", marks=needs_postgres)],
    indirect=True,
)


@both
@pytest.mark.slow
def test_a_viewer_in_another_process_sees_each_word_long_before_it_would_look(
    broker: dict[str, str], settings, user: User
) -> None:
    conversation = Conversation.objects.create(owner=user)
    mine = {**settings.CONVERSE_STREAM, "POLL_INTERVAL": 300}
    with serve("uvicorn", settings=mine, **broker) as url, conversation.start_stream() as stream:
        viewing = Visitor(user).view(url, str(stream.message.pk))
        # The first events are what it found there; so many have come by hints: it has begun to listen.
        until(lambda: stream.append("hello? ") and len(viewing.follower.events) > 9)
        for number in range(20):
            stream.append(f"w{number} ")
            viewing.wait_for(lambda follower, number=number: f"w{number} " in follower.text)
        message = stream.complete()
        seen = viewing.end()

    assert (seen.text, seen.ending) == (message.content, "complete")


@both
@pytest.mark.slow
def test_a_stop_in_another_process_reaches_the_writer_before_it_would_look(
    broker: dict[str, str], settings, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "LOOK_INTERVAL", 300.0)
    visitor, conversation = Visitor(user), Conversation.objects.create(owner=user)
    with serve("uvicorn", settings=settings.CONVERSE_STREAM, **broker) as url, conversation.start_stream() as stream:
        stream.append("so far").flush()
        visitor.stop(url, str(stream.message.pk))
        until(lambda: stream.was_stopped)

    stream.message.refresh_from_db()
    assert (stream.message.status, stream.message.content) == (Status.CANCELLED, "so far")


@needs_redis
@pytest.mark.parametrize("backend", [PUBSUB, CORE])
def test_hints_reach_everybody_else_and_not_the_one_who_said_them(redis: Redis, settings, backend: str) -> None:
    settings.CHANNEL_LAYERS = redis.layers(backend)

    with two() as (one, other):
        other.hears(one)
        one_heard = set(one.heard)
        one.hears(other)

    assert one_heard == set()


@needs_postgres
def test_postgresql_carries_as_many_hints_as_there_are() -> None:
    many = {f"{number:036}" for number in range(1000)}

    with two(NotifyBroker) as (one, other):
        other.hears(one)
        one.broker.publish(many)
        until(lambda: many <= other.heard)

    assert not one.heard


@needs_postgres
def test_a_connection_that_postgresql_ends_is_made_anew() -> None:
    with two(NotifyBroker) as (one, other):
        other.hears(one)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND (query LIKE 'LISTEN%%' OR query LIKE 'SELECT pg_notify%%')"
            )
            assert cursor.rowcount == 2
        other.hears(one)
        one.hears(other)


@needs_redis
@pytest.mark.parametrize("backend", [PUBSUB, CORE])
def test_redis_that_crashed_is_used_again_when_it_is_back(
    redis: Redis, settings, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_LAYERS = redis.layers(backend)
    with two() as (one, other):
        other.hears(one)
        redis.kill()
        until(lambda: speak(one) and one.broker._is_resting)
        redis.start()
        other.hears(one)
        one.hears(other)

    told = [record for record in caplog.records if record.name == "converse_stream" and "no hints" in record.message]
    assert 1 <= len(told) <= 2  # once by each of the two, however often they tried


@needs_redis
def test_a_redis_that_is_not_there_at_the_start_is_found_when_it_comes(redis: Redis) -> None:
    redis.kill()
    with two() as (one, other):
        until(lambda: one.broker._is_resting)
        redis.start()
        other.hears(one)


@needs_redis
@pytest.mark.parametrize("backend", [PUBSUB, CORE])
def test_groups_that_were_flushed_away_are_joined_again(
    redis: Redis, settings, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_LAYERS = redis.layers(backend)
    monkeypatch.setattr("converse_stream.brokers.channel_layer.BEAT", 0.2)
    with two() as (one, other):
        other.hears(one)
        redis.command("FLUSHALL")
        other.hears(one)


@needs_redis
def test_a_redis_that_is_full_is_left_alone_until_there_is_room(redis: Redis, settings) -> None:
    settings.CHANNEL_LAYERS = redis.layers(CORE)
    with two() as (one, other):
        other.hears(one)
        redis.command("CONFIG", "SET", "maxmemory", "1")
        until(lambda: speak(one) and one.broker._is_resting)
        redis.command("CONFIG", "SET", "maxmemory", "0")
        other.hears(one)


@needs_redis
def test_a_layer_that_takes_everything_and_delivers_nothing_is_made_anew(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("converse_stream.brokers.channel_layer.BEAT", 0.1)
    monkeypatch.setattr("converse_stream.brokers.channel_layer.LOST_AFTER", 0.5)
    with two() as (one, other):
        other.hears(one)
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        redis.command("ACL", "SETUSER", "default", "-subscribe")
        until(lambda: speak(one) and one.broker._is_down and other.broker._is_down)
        redis.command("ACL", "SETUSER", "default", "+subscribe")
        other.hears(one)


def speak(ear: Ear) -> bool:
    ear.broker.publish(["word"])
    return True


@contextmanager
def black_hole() -> Iterator[int]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        ended = threading.Event()

        def accept() -> None:
            server.settimeout(0.1)
            while not ended.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()
            for one in held:
                one.close()


def crash(redis: Redis) -> None:
    redis.kill()


def freeze(redis: Redis) -> None:
    redis.freeze()


def empty(redis: Redis) -> None:
    redis.command("FLUSHALL")


def fill(redis: Redis) -> None:
    redis.command("CONFIG", "SET", "maxmemory", "1")


@needs_redis
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "backend"), [(crash, PUBSUB), (freeze, PUBSUB), (freeze, CORE), (empty, CORE), (fill, CORE)]
)
def test_whatever_befalls_redis_text_arrives_and_no_commit_waits_for_it(
    redis: Redis, settings, user: User, fault: Callable[[Redis], None], backend: str
) -> None:
    settings.CHANNEL_LAYERS, settings.CONVERSE_STREAM = redis.layers(backend), {"BROKER": "channel_layer"}
    conversation, layers = Conversation.objects.create(owner=user), json.dumps(redis.layers(backend))
    with serve("uvicorn", settings=settings.CONVERSE_STREAM, CHANNEL_LAYERS=layers) as url:
        with conversation.start_stream() as stream:
            viewing = Visitor(user).view(url, str(stream.message.pk))
            stream.append("before ").flush()
            viewing.wait_for(lambda follower: "before" in follower.text)

            fault(redis)
            began = time.monotonic()
            for number in range(200):
                stream.append(f"w{number} ").flush()
            took = time.monotonic() - began
            viewing.wait_for(lambda follower: "w199 " in follower.text)
            message = stream.complete()
        seen = viewing.end()

    assert (seen.text, seen.ending) == (message.content, "complete")
    assert took < 200 * 0.25 / 2  # each would have waited for a quarter of a second


@needs_redis
def test_a_host_that_accepts_and_never_answers_holds_up_nobody(settings, conversation: Conversation) -> None:
    with black_hole() as port:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": [f"redis://127.0.0.1:{port}"]}}}
        settings.CONVERSE_STREAM = {"BROKER": "channel_layer"}
        with conversation.start_stream() as stream:
            began = time.monotonic()
            for number in range(100):
                stream.append(f"w{number} ").flush()
            took = time.monotonic() - began

    assert stream.message.content.endswith("w99 ")
    assert took < 100 * 0.25 / 2


def test_what_cannot_be_sent_does_not_pile_up() -> None:
    class Stuck(BackgroundBroker):
        def session(self) -> None:
            self.stopping.wait()

        def wake(self) -> None:
            pass

    broker = Stuck()
    broker.listen(lambda _ids: None)

    for number in range(3 * background.MOST):
        broker.publish([str(number)])

    assert len(broker._pending) <= background.MOST
    broker.close()
