"""An answer that waits in a queue: the row decides, whatever the queue delivers, loses or repeats."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.utils import timezone

from converse_stream import recorder
from converse_stream.exceptions import InvalidOptions, StreamClosed
from converse_stream.models import Attempt, Chunk, Conversation, Message, Status, claims
from converse_stream.models.claims import MOST_CLAIMS, MOST_SENDINGS, claim
from converse_stream.models.leases import end_lost, hand_back, recover
from converse_stream.recorder import process_recorder
from converse_stream.runners import QueueRunner, get_runner, perform
from converse_stream.runners.request import restore
from converse_stream.signals import stream_started
from converse_stream.tools import tool
from converse_stream.windows import Window
from converse_stream.writer import PrismStream
from tests.records import Echo
from tests.waiting import until

WANTED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
DELIVERIES = int(os.environ.get("DELIVERIES", "20"))

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60 + DELIVERIES)]


class Shelf(QueueRunner):
    """A queue that delivers what a test takes from it."""

    sent: list[str] = []

    def enqueue(self, message_id: str) -> None:
        self.sent.append(message_id)


class Broken(QueueRunner):
    """A queue that is down."""

    def enqueue(self, message_id: str) -> None:
        raise ConnectionError("nobody there")


@tool
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


@pytest.fixture(autouse=True)
def shelf(settings) -> Iterator[list[str]]:
    settings.CONVERSE_STREAM = {
        "RUNNER": "tests.runners.test_queue.Shelf",
        "DEFAULT_MODEL": "echo",
        "PROVIDERS": {"echo": {"class": "tests.records.Echo", "options": {"temperature": 0.5}}},
    }
    Shelf.sent.clear()
    yield Shelf.sent
    Shelf.sent.clear()


def waiting(conversation: Conversation, shelf: list[str]) -> Message:
    """Ask, and wait until the queue has it."""
    message = conversation.ask("good morning")
    until(lambda: str(message.pk) in shelf)
    return message


def expire(message: Message, seconds: float = 31) -> None:
    Message.objects.filter(pk=message.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=seconds))


def test_an_answer_waits_as_pending_until_somebody_writes_it(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    assert (message.status, message.is_live, message.started_at) == (Status.PENDING, True, None)
    started: list[Message] = []
    stream_started.connect(receiver := lambda message, **kwargs: started.append(message), weak=False)

    perform(str(message.pk))

    message.refresh_from_db()
    assert (message.status, message.content, message.claims) == (Status.COMPLETE, "good morning ", 1)
    assert message.started_at is not None
    until(lambda: [one.pk for one in started] == [message.pk])
    stream_started.disconnect(receiver)


def test_a_viewer_who_came_while_it_waited_sees_all_of_it(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    events = message.follow(timeout=60)
    assert next(events).kind == "start"

    perform(str(message.pk))

    assert "".join(event.text for event in events) == "good morning "


def test_a_task_that_is_delivered_twice_starts_once(conversation: Conversation, shelf: list[str]) -> None:
    with ThreadPoolExecutor(2) as workers:
        for _ in range(DELIVERIES):
            message = waiting(conversation, shelf)
            together = threading.Barrier(2)

            def deliver(message_id: str, together: threading.Barrier = together) -> None:
                together.wait(60)
                perform(message_id)

            for delivery in [workers.submit(deliver, str(message.pk)) for _ in range(2)]:
                delivery.result(60)
            message.refresh_from_db()
            assert (message.status, message.claims, message.attempts.count()) == (Status.COMPLETE, 1, 1)


def test_a_worker_with_many_threads_has_few_connections(conversation: Conversation, shelf: list[str]) -> None:
    """Each has an answer to itself; what it asks of the database goes through the few threads there are for that."""
    threads = set[str]()

    def note(**signal: Any) -> None:
        threads.add(threading.current_thread().name)

    messages = [waiting(Conversation.objects.create(), shelf) for _ in range(12)]
    connection_created.connect(note)
    try:
        with ThreadPoolExecutor(12, "a task's thread") as workers:
            list(workers.map(perform, [str(message.pk) for message in messages]))
    finally:
        connection_created.disconnect(note)

    assert {message.wait(20).content for message in messages} == {"good morning "}
    assert threads
    assert not [name for name in threads if "task" in name]


def test_a_task_that_comes_after_a_stop_does_nothing(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    assert message.cancel()

    perform(str(message.pk))

    message.refresh_from_db()
    assert (message.status, message.claims, Attempt.objects.count()) == (Status.CANCELLED, 0, 0)


def test_a_task_that_comes_after_its_message_was_deleted_does_nothing(
    conversation: Conversation, shelf: list[str]
) -> None:
    message = waiting(conversation, shelf)
    conversation.delete()

    perform(str(message.pk))

    assert not Attempt.objects.exists()


def test_a_message_that_is_deleted_while_it_is_claimed_is_nobodys(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    claimed: list[str] = []

    def delete_once_claimed(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if claimed and claimed.pop():
            Message.objects.filter(pk=message.pk).delete()
        if sql.startswith("UPDATE"):
            claimed.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(delete_once_claimed):
        assert claim(message.pk) is None

    assert not Message.objects.filter(pk=message.pk).exists()


@pytest.mark.parametrize("version", [{}, {"version": claims.REQUEST_VERSION}])
def test_a_request_of_this_release_or_an_older_one_is_performed(
    conversation: Conversation, shelf: list[str], version: dict[str, int]
) -> None:
    message = waiting(conversation, shelf)
    without = {key: value for key, value in message.request.items() if key != "version"}
    Message.objects.filter(pk=message.pk).update(request=without | version)

    perform(str(message.pk))

    message.refresh_from_db()
    assert (message.status, message.content) == (Status.COMPLETE, "good morning ")


def test_a_request_of_a_newer_release_is_left_alone_and_sent_again(
    conversation: Conversation, shelf: list[str]
) -> None:
    message = waiting(conversation, shelf)
    newer = {"version": claims.REQUEST_VERSION + 1, "sendings": 1, "what": "nobody here knows"}
    Message.objects.filter(pk=message.pk).update(request=newer)

    perform(str(message.pk))
    expire(message, 1)
    recover()

    until(lambda: shelf.count(str(message.pk)) == 2)
    message.refresh_from_db()
    assert (message.status, message.claims) == (Status.PENDING, 0)
    assert message.request == newer | {"sendings": 2}


def test_a_task_that_was_lost_is_sent_again_and_not_for_ever(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)

    for sendings in range(2, MOST_SENDINGS + 1):
        expire(message, 1)
        assert recover() == []
        until(lambda sendings=sendings: shelf.count(str(message.pk)) == sendings)
    expire(message, 1)

    assert recover() == [message.pk]
    message.refresh_from_db()
    assert (message.status, message.error_code, message.claims) == (Status.FAILED, "worker_lost", 0)


def test_each_wait_for_a_worker_is_longer_than_the_one_before(conversation: Conversation, shelf: list[str]) -> None:
    message, waits = waiting(conversation, shelf), []

    for _ in range(3):
        expire(message)
        recover()
        message.refresh_from_db()
        assert message.lease_expires_at is not None
        waits.append(round((message.lease_expires_at - timezone.now()).total_seconds() / 10))

    assert waits == [2, 4, 8]


def test_what_a_worker_has_claimed_and_not_begun_is_started_again(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    assert claim(message.pk)
    expire(message)

    assert end_lost([message.pk]) == []
    until(lambda: shelf.count(str(message.pk)) == 2)
    perform(str(message.pk))

    message.refresh_from_db()
    assert (message.status, message.content, message.claims) == (Status.COMPLETE, "good morning ", 2)


def test_what_kills_its_worker_each_time_is_not_begun_for_ever(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)

    for _ in range(MOST_CLAIMS - 1):
        assert claim(message.pk)
        expire(message)
        assert end_lost([message.pk]) == []
    assert claim(message.pk)
    expire(message)

    assert end_lost([message.pk]) == [message.pk]
    assert claim(message.pk) is None


def test_what_has_said_something_is_never_begun_anew(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    claimed = claim(message.pk)
    assert claimed is not None
    stream = PrismStream(claimed, process_recorder())
    stream.append("So far").flush()
    process_recorder().abandon(stream._outbox)
    expire(message)

    assert end_lost([message.pk]) == [message.pk]

    message.refresh_from_db()
    assert (message.status, message.error_code, message.content) == (Status.FAILED, "worker_lost", "So far")
    assert shelf.count(str(message.pk)) == 1


def test_what_has_said_nothing_is_handed_back_by_a_worker_that_ends(
    conversation: Conversation, shelf: list[str]
) -> None:
    silent, speaking = waiting(conversation, shelf), waiting(Conversation.objects.create(), shelf)
    streams = [PrismStream(claimed, process_recorder()) for one in (silent, speaking) if (claimed := claim(one.pk))]
    streams[1].append("So far").flush()

    assert hand_back(recorder.writing()) == [silent.pk]
    recorder.stop()

    silent.refresh_from_db()
    speaking.refresh_from_db()
    assert (silent.status, silent.lease_holder) == (Status.PENDING, "")
    assert (speaking.status, speaking.error_code, speaking.content) == (Status.FAILED, "shutdown", "So far")
    until(lambda: shelf.count(str(silent.pk)) == 2)
    perform(str(silent.pk))
    assert silent.wait(60).content == "good morning "


def test_a_worker_that_comes_back_to_life_writes_nothing_more(conversation: Conversation, shelf: list[str]) -> None:
    message = waiting(conversation, shelf)
    first = claim(message.pk)
    assert first is not None
    expire(message)
    end_lost([message.pk])
    perform(str(message.pk))

    with pytest.raises(StreamClosed):
        PrismStream(first, process_recorder()).append("from the dead").flush()

    message.refresh_from_db()
    assert (message.status, message.content) == (Status.COMPLETE, "good morning ")
    assert not Chunk.objects.filter(data__contains="dead").exists()


def test_a_queue_that_is_down_costs_the_question_nothing(
    conversation: Conversation, shelf: list[str], settings
) -> None:
    settings.CONVERSE_STREAM |= {"RUNNER": "tests.runners.test_queue.Broken"}
    message = conversation.ask("good morning")
    settings.CONVERSE_STREAM |= {"RUNNER": "tests.runners.test_queue.Shelf"}
    assert (message.status, shelf) == (Status.PENDING, [])

    expire(message)
    recover()
    until(lambda: shelf == [str(message.pk)])
    perform(shelf[0])

    assert message.wait(60).content == "good morning "


def test_a_queue_that_hangs_holds_up_nobody(conversation: Conversation) -> None:
    class Stuck(QueueRunner):
        released = threading.Event()

        def enqueue(self, message_id: str) -> None:
            self.released.wait(60)

    runner = Stuck()
    try:
        for number in range(200):
            runner.send(str(number))
        assert sum(thread.name == "converse-queue" for thread in threading.enumerate()) <= 64
    finally:
        runner.released.set()
    until(lambda: not any(thread.name == "converse-queue" for thread in threading.enumerate()))


def test_what_waits_is_written_by_any_other_runner_too(conversation: Conversation, shelf: list[str], settings) -> None:
    message = waiting(conversation, shelf)
    settings.CONVERSE_STREAM |= {"RUNNER": "thread"}
    expire(message)

    recover()

    assert message.wait(60).content == "good morning "


def test_a_source_is_written_in_this_process(conversation: Conversation, shelf: list[str]) -> None:
    message = conversation.ask("Hi", source=["from ", "here"])

    assert message.wait(60).content == "from here"
    assert (message.claims, shelf) == (1, [])


def test_a_provider_that_others_would_not_find_answers_in_this_process(
    conversation: Conversation, shelf: list[str]
) -> None:
    message = conversation.ask("Hi there", model=Echo("nobody-knows-me"))

    assert message.wait(60).content == "Hi there "
    assert shelf == []


def test_a_tool_that_others_would_not_find_is_refused_before_anything_is_written(conversation: Conversation) -> None:
    @tool
    def hidden() -> str:
        """Do something."""
        return ""

    with pytest.raises(InvalidOptions, match="cannot be found by other processes"):
        conversation.ask("Hi", tools=[hidden])

    assert not conversation.messages.exists()


def test_another_process_asks_the_same_of_the_same(conversation: Conversation, shelf: list[str]) -> None:
    message = conversation.ask(
        "Hi",
        model=["echo:a", "echo:b"],
        options={"max_tokens": 7},
        tools=[shout],
        system="Be.",
        window=Window(messages=3),
        schema=WANTED,
    )
    claimed = claim(message.pk)
    assert claimed is not None

    generation = restore(claimed)

    first, second = generation.providers
    assert [first.label, second.label, generation.system] == ["echo:a", "echo:b", "Be."]
    assert (first.options["temperature"], first.options["max_tokens"]) == (0.5, 7)
    assert [one["name"] for one in first.options["tools"]] == ["shout"]
    assert generation.tools["shout"] is shout
    assert generation.window == Window(messages=3)
    assert generation.schema is not None
    assert generation.schema.json == WANTED


def test_a_worker_whose_settings_differ_says_so_on_the_message(
    conversation: Conversation, shelf: list[str], settings
) -> None:
    message = waiting(conversation, shelf)
    settings.CONVERSE_STREAM |= {"PROVIDERS": {}, "DEFAULT_MODEL": "demo"}

    perform(str(message.pk))

    message.refresh_from_db()
    assert (message.status, message.error_code) == (Status.FAILED, "internal")
    assert "echo" in message.error_message


def test_saving_an_instance_that_was_waiting_takes_nothing_from_the_writer(
    conversation: Conversation, shelf: list[str]
) -> None:
    message = waiting(conversation, shelf)
    perform(str(message.pk))

    message.metadata = {"topic": "mornings"}
    message.save()

    message.refresh_from_db()
    assert (message.status, message.metadata["topic"]) == (Status.COMPLETE, "mornings")


def test_the_inline_runner_needs_no_queue(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM |= {"RUNNER": "inline"}

    assert conversation.ask("Hi you").content == "Hi you "


@pytest.mark.parametrize("name", ["celery", "tasks"])
def test_the_runners_have_names(settings, name: str) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": name}

    assert isinstance(get_runner(), QueueRunner)
