"""Whatever a provider does, its answer has a definite ending: with a code, the text so far, and soon."""

import json
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Max

from converse_stream.models import Attempt, Conversation, Message, Status
from converse_stream.recorder import process_recorder
from converse_stream.recorder.outbox import ROOM
from converse_stream.testing import (
    Cut,
    EndlessAnswer,
    EndlessLine,
    Fault,
    FaultProxy,
    Follower,
    Garbage,
    Refusal,
    ReplayServer,
    Reset,
    Stall,
)

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 5.0
"""Seconds within which an answer has to end; the deadlines in these tests are much shorter."""
SHORT = 0.3


def event(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "r1", "model": "m1", "choices": [choice], **more}).encode() + b"\n\n"


WORDS = ["Once ", "upon ", "a ", "time"]
ANSWER = b"".join(map(event, WORDS)) + event(finish="stop") + b"data: [DONE]\n\n"
TEXT = "".join(WORDS)


class Site:
    """A conversation, whose provider is at an address."""

    def __init__(self, conversation: Conversation, settings: Any) -> None:
        self.conversation = conversation
        self.settings = settings

    def ask(self, url: str, *, timeouts: dict[str, float] | None = None, **settings: Any) -> Message:
        openai = {"api_key": "secret", "base_url": url, "timeouts": timeouts or {}}
        self.settings.CONVERSE_STREAM = {"PROVIDERS": {"openai": openai}, "RETRIES": 0, **settings}
        return self.conversation.ask("Tell me.", model="openai:m1")

    def ending(self, message: Message, within: float = SOON) -> tuple[str, str]:
        """Return how the message ends, as a viewer sees it, and what is stored: they must be the same."""
        began = time.monotonic()
        seen = Follower().read(message.stream_response())
        assert time.monotonic() - began < within
        stored = Message.objects.get(pk=message.pk)
        assert (seen.ending, seen.text) == (stored.status, stored.content)
        assert (seen.error or {}).get("code", "") == stored.error_code
        attempts = Attempt.objects.filter(message=message)
        until(lambda: attempts.exclude(outcome=Attempt.Outcome.RUNNING).exists())
        assert attempts.values_list("outcome", "error_code").get() == (stored.status, stored.error_code)
        return stored.error_code or stored.status, stored.content


@pytest.fixture
def site(conversation: Conversation, settings: Any) -> Site:
    return Site(conversation, settings)


def until(condition: Any) -> None:
    """Wait for what another thread is about to do."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


REFUSED = [
    (Refusal(401), "auth"),
    (Refusal(429), "rate_limit"),
    (Refusal(500), "server"),
    (Refusal(500, b""), "server"),
    (Refusal(502, b"<h1>Bad Gateway</h1>", {"content-type": "text/html"}), "server"),
    (Refusal(200, b'{"answer": "not streamed"}'), "protocol"),
    (Refusal(302, b"", {"location": "/elsewhere"}), "protocol"),
    (Garbage("html"), "protocol"),
]
BEGUN = [
    (Garbage("json", after=2), "protocol"),
    (Garbage("html", after=2), "truncated"),
    (Garbage("nothing", after=2), "truncated"),
    (Garbage("half", after=2), "truncated"),
    (Cut(after=2), "truncated"),
    (Reset(after=2), "connection"),
    (EndlessLine(after=2), "protocol"),
]
NEVER_BEGUN = [
    (Garbage("json"), "protocol"),
    (Garbage("nothing"), "truncated"),
    (Garbage("half"), "truncated"),
    (Cut(after=None), "connection"),
    (Cut(), "truncated"),
    (Reset(after=None), "connection"),
    (Reset(), "connection"),
    (EndlessLine(), "protocol"),
]


@pytest.mark.parametrize(("fault", "code"), [*REFUSED, *NEVER_BEGUN], ids=str)
def test_what_never_begins_to_answer_fails_with_its_code(site: Site, fault: Fault, code: str) -> None:
    with ReplayServer(ANSWER, faults=fault) as server:
        assert site.ending(site.ask(server.url)) == (code, "")


@pytest.mark.parametrize(("fault", "code"), BEGUN, ids=str)
def test_what_breaks_off_fails_with_its_code_and_keeps_the_text(site: Site, fault: Fault, code: str) -> None:
    with ReplayServer(ANSWER, faults=fault) as server:
        assert site.ending(site.ask(server.url)) == (code, "Once upon ")


@pytest.mark.parametrize(("fault", "code"), BEGUN, ids=str)
def test_the_inline_runner_ends_it_in_the_same_way(site: Site, fault: Fault, code: str) -> None:
    with ReplayServer(ANSWER, faults=fault) as server:
        assert site.ending(site.ask(server.url, RUNNER="inline")) == (code, "Once upon ")


def test_a_body_that_ends_properly_without_an_ending_is_truncated(site: Site) -> None:
    with ReplayServer(ANSWER, faults=Garbage("nothing", after=4)) as server:
        assert site.ending(site.ask(server.url)) == ("truncated", TEXT)


def test_a_body_of_the_old_kind_without_a_length_is_truncated_too(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        message = site.ask(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        provider, _ = listener.accept()
        with provider:
            provider.sendall(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + event("Once "))
            provider.shutdown(socket.SHUT_WR)
            while provider.recv(65_536):  # to close with something unread would be a reset
                pass
        assert site.ending(message) == ("truncated", "Once ")


@pytest.mark.parametrize("deadline", ["idle", "first_token", "total"])
@pytest.mark.parametrize("fault", [Stall(), Stall(after=None)], ids=str)
def test_silence_before_the_first_byte_is_a_timeout(site: Site, fault: Fault, deadline: str) -> None:
    with ReplayServer(ANSWER, faults=fault) as server:
        assert site.ending(site.ask(server.url, timeouts={deadline: SHORT})) == ("timeout", "")
        assert server.disconnected.wait(SOON)


@pytest.mark.parametrize("deadline", ["idle", "total"])
def test_silence_in_the_middle_is_a_timeout_and_keeps_the_text(site: Site, deadline: str) -> None:
    with ReplayServer(ANSWER, faults=Stall(after=2)) as server:
        assert site.ending(site.ask(server.url, timeouts={deadline: SHORT})) == ("timeout", "Once upon ")
        assert server.disconnected.wait(SOON)


def test_the_first_token_has_come_in_time_when_silence_follows_it(site: Site) -> None:
    with ReplayServer(ANSWER, faults=Stall(after=2)) as server:
        message = site.ask(server.url, timeouts={"first_token": SHORT, "idle": 3 * SHORT})
        began = time.monotonic()

        assert site.ending(message) == ("timeout", "Once upon ")
        assert time.monotonic() - began > 2 * SHORT


@pytest.mark.parametrize("says", [b": still here\n\n", event(), b"data: \n\n", b"\n"], ids=str)
def test_what_keeps_talking_without_a_word_misses_the_deadline_of_its_first(site: Site, says: bytes) -> None:
    with ReplayServer(says, faults=EndlessAnswer(), interval=0.005) as server:
        assert site.ending(site.ask(server.url, timeouts={"first_token": SHORT})) == ("timeout", "")
        assert server.disconnected.wait(SOON)


def test_what_keeps_talking_after_its_answer_misses_the_last_deadline(site: Site) -> None:
    with ReplayServer(event("Once ") + b": still here\n\n", faults=EndlessAnswer(after=2), interval=0.005) as server:
        assert site.ending(site.ask(server.url, timeouts={"total": SHORT})) == ("timeout", "Once ")
        assert server.disconnected.wait(SOON)


def test_a_refusal_that_never_ends_is_still_a_refusal(site: Site) -> None:
    with ReplayServer(b"x" * 100, status=500, faults=EndlessAnswer()) as server:
        assert site.ending(site.ask(server.url)) == ("server", "")
        assert server.disconnected.wait(SOON)


def test_a_refusal_that_stalls_is_still_a_refusal(site: Site) -> None:
    with ReplayServer(b"no", status=401, faults=Stall(after=1)) as server:
        assert site.ending(site.ask(server.url, timeouts={"idle": SHORT})) == ("auth", "")
        assert server.disconnected.wait(SOON)


@contextmanager
def traced(megabytes: float) -> Iterator[None]:
    """Fail if more memory than this is taken inside at any moment."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 2**20


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_an_endless_answer_ends_at_the_limit_and_takes_no_memory(site: Site, runner: str) -> None:
    with ReplayServer(event("x" * 1000), faults=EndlessAnswer()) as server, traced(megabytes=16):
        message = site.ask(server.url, MAX_OUTPUT_CHARS=100_000, RUNNER=runner)

        assert site.ending(message, within=60) == ("output_limit", "x" * 100_000)
        assert server.disconnected.wait(SOON)


@pytest.mark.parametrize("after", [0, 2])
def test_an_endless_line_takes_no_memory(site: Site, after: int) -> None:
    with ReplayServer(ANSWER, faults=EndlessLine(after)) as server, traced(megabytes=16):
        assert site.ending(site.ask(server.url)) == ("protocol", "".join(WORDS[:after]))
        assert server.disconnected.wait(SOON)
        assert server.sent < 32 * 2**20


@pytest.mark.parametrize(
    "fragment",
    [
        {"index": 0, "function": {"arguments": "x" * 10_000}},
        {"index": 0, "id": "i" * 10_000, "function": {"name": "n" * 10_000}},
    ],
    ids=["arguments", "names"],
)
def test_endless_tool_calls_are_no_answer(site: Site, fragment: dict[str, Any]) -> None:
    def events() -> Iterator[bytes]:
        for number in range(10_000):
            call = {**fragment, "id": fragment.get("id", "") and f"{number}{fragment['id']}"}
            choice = {"index": 0, "delta": {"tool_calls": [call]}}
            yield b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    class Calls(Fault):
        def spoil(self, answer: Any) -> Any:
            return type(answer)(200, answer.headers, events())

    with ReplayServer(b"", faults=Calls()) as server, traced(megabytes=64):
        assert site.ending(site.ask(server.url), within=60) == ("protocol", "")
        assert server.disconnected.wait(SOON)


def test_names_that_no_column_can_hold_do_not_hurt_the_answer(site: Site) -> None:
    name = "m\x00\ud800" + "x" * 1000
    body = event("fine", id=name, model=name) + event(finish=name) + b"data: [DONE]\n\n"
    with ReplayServer(body) as server:
        message = site.ask(server.url)

        assert site.ending(message) == ("complete", "fine")
    message.refresh_from_db()
    assert message.model.startswith("m\ufffd\ufffdxxx")


def test_arguments_nested_without_measure_do_not_hurt_the_answer(site: Site) -> None:
    arguments = '{"a":' * 900 + "1" + "}" * 900
    call = {"index": 0, "id": "c1", "function": {"name": "dig", "arguments": arguments}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    body = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n"
    with ReplayServer(body) as server:
        message = site.ask(server.url)

        assert site.ending(message) == ("complete", "")
    message.refresh_from_db()
    assert [(part["name"], part["arguments"]) for part in message.parts] == [("dig", None)]


def test_nobody_listening_is_a_failed_connection(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    assert site.ending(site.ask(f"http://127.0.0.1:{port}/v1")) == ("connection", "")


def test_a_connection_that_is_never_made_is_a_timeout(site: Site) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # what fills the queue; the next SYN is dropped
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        message = site.ask(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", timeouts={"connect": SHORT})

        assert site.ending(message) == ("timeout", "")


def test_a_black_hole_is_a_timeout(site: Site) -> None:
    with ReplayServer(ANSWER) as server, FaultProxy(server.url, blackhole=True) as proxy:
        assert site.ending(site.ask(proxy.url, timeouts={"idle": SHORT})) == ("timeout", "")


@contextmanager
def in_the_middle(site: Site, **timeouts: float) -> Iterator[tuple[FaultProxy, ReplayServer, Message]]:
    """Give a live answer of which some is committed, and the proxy that it comes through."""
    with ReplayServer(ANSWER, faults=Stall(after=2)) as server, FaultProxy(server.url) as proxy:
        message = site.ask(proxy.url, timeouts=timeouts)
        seen = ""
        for each in message.follow(timeout=SOON):
            seen += each.text
            if seen == "Once upon ":
                break
        yield proxy, server, message


def test_a_black_hole_in_the_middle_is_a_timeout_and_keeps_the_text(site: Site) -> None:
    with in_the_middle(site, idle=1) as (proxy, _, message):
        proxy.blackhole = True

        assert site.ending(message) == ("timeout", "Once upon ")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(FaultProxy.cut, "truncated"), (FaultProxy.half_close, "truncated"), (FaultProxy.reset, "connection")],
    ids=["cut", "half-close", "reset"],
)
def test_a_connection_that_breaks_in_the_middle_keeps_the_text(site: Site, fault: Any, code: str) -> None:
    with in_the_middle(site) as (proxy, server, message):
        assert fault(proxy) == 1

        assert site.ending(message) == (code, "Once upon ")
        assert server.disconnected.wait(SOON)


def test_a_stop_closes_the_connection_to_the_provider(site: Site) -> None:
    """Seeds: B-11, A-04."""
    with in_the_middle(site) as (proxy, server, message):
        assert message.cancel()

        assert server.disconnected.wait(SOON)
        assert site.ending(message) == ("cancelled", "Once upon ")
        until(lambda: not proxy.connections)


def test_an_answer_that_comes_a_byte_at_a_time_and_late_is_whole(site: Site) -> None:
    with ReplayServer(ANSWER) as server, FaultProxy(server.url, slice=1, latency=0.05) as proxy:
        assert site.ending(site.ask(proxy.url)) == ("complete", TEXT)


def test_the_next_answer_is_not_hurt_by_what_happened_to_the_last(site: Site) -> None:
    faults = [Reset(after=2), Refusal(503), Cut(after=None), None]
    with ReplayServer(ANSWER, faults=faults) as server:
        endings = [site.ending(site.ask(server.url)) for _ in faults]

    assert endings == [("connection", "Once upon "), ("overloaded", ""), ("connection", ""), ("complete", TEXT)]


def test_a_provider_that_is_faster_than_the_database_has_to_wait(site: Site) -> None:
    says = "0123456789" * 320
    body = event(says, obfuscation="x" * 9_500) * 4000 + event(finish="stop") + b"data: [DONE]\n\n"
    with ReplayServer(body) as server:
        message = site.ask(server.url)
        until(lambda: length(message))
        with transaction.atomic():  # on SQLite it locks the database, on PostgreSQL the row
            Message.objects.select_for_update().get(pk=message.pk)
            until(lambda: is_stuck(server))
            sent = server.sent
            waiting = process_recorder()._outboxes[str(message.pk)].position - length(message)
        stored = message.wait(60)

    assert len(body) > 50_000_000
    assert sent < 16_000_000
    assert ROOM < waiting < 2 * ROOM + 2 * len(says)  # one that fills up, beside one on its way
    assert stored.status == Status.COMPLETE
    assert stored.content == says * 4000


def is_stuck(server: ReplayServer) -> bool:
    sent = server.sent
    return not server.disconnected.wait(SHORT) and 0 < sent == server.sent


def length(message: Message) -> int:
    return message.chunks.aggregate(Max("end", default=0))["end__max"]
