"""What providers and the way to them do wrong, over real sockets, through the whole path: what is recorded and seen.

The names of the faults, and what is asked for, are those of our fault matrix (rows 25 to 42).
"""

import gzip
import json
import logging
import socket
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from converse_stream.models import Attempt, Chunk, Conversation, Message, Status
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
    Stall,
)
from tests.waiting import finished_attempts, until

pytestmark = pytest.mark.django_db(transaction=True)

SHORT = 0.3
KEY = "sk-canary-4242424242"


def event(content: str | None = None, **chunk: Any) -> bytes:
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, **chunk.pop("choice", {})}
    return b"data: " + json.dumps({"id": "r1", "model": "m1", "choices": [choice], **chunk}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
ENDED = event(choice={"finish_reason": "stop"}) + DONE
ANSWER = event("Once ") + event("upon ") + event("a time") + ENDED
TEXT = "Once upon a time"


@dataclass
class Seen:
    """How an answer has ended: as it is stored, which is as a viewer saw it."""

    message: Message
    follower: Follower
    attempts: list[Attempt]

    @property
    def ending(self) -> tuple[str, str, str]:
        return self.message.status, self.message.error_code, self.message.content

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Who was asked, and with which error or success."""
        return [(attempt.provider, attempt.error_code or attempt.outcome) for attempt in self.attempts]


class Site:
    """Providers at addresses, and a conversation with them."""

    def __init__(self, conversation: Conversation, settings: Any) -> None:
        self.conversation = conversation
        self.settings = settings

    def ask(self, *urls: str, timeouts: Mapping[str, float] | None = None, **settings: Any) -> Message:
        names = ["first", "second", "third"][: len(urls)]
        entries = {
            name: {"base_url": url, "api_key": KEY, "timeouts": dict(timeouts or {})}
            for name, url in zip(names, urls, strict=True)
        }
        self.settings.CONVERSE_STREAM = {"PROVIDERS": entries, **settings}
        return self.conversation.ask("Tell me.", model=[f"{name}:m1" for name in names])

    def see(self, message: Message) -> Seen:
        follower = Follower().read(message.stream_response())
        attempts = finished_attempts(message)
        stored = Message.objects.get(pk=message.pk)
        assert (follower.ending, follower.text) == (stored.status, stored.content)
        assert (follower.error or {}).get("code", "") == stored.error_code
        assert [each["event"] for each in follower.events].count(follower.ending) == 1
        return Seen(stored, follower, attempts)

    def ends(self, *urls: str, **options: Any) -> Seen:
        return self.see(self.ask(*urls, **options))


@pytest.fixture
def site(conversation: Conversation, settings: Any) -> Site:
    return Site(conversation, settings)


@pytest.fixture
def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


# 25 Provider refuses connection / DNS failure


def test_25_a_refused_connection_is_tried_twice_more_and_ends_empty(site: Site, closed_port: str) -> None:
    seen = site.ends(closed_port)

    assert seen.ending == (Status.FAILED, "connection", "")
    assert seen.calls == [("first", "connection")] * 3
    assert seen.follower.error["retryable"] is True
    first, second, third = (attempt.started_at for attempt in seen.attempts)
    assert (second - first).total_seconds() > 0.2
    assert (third - second).total_seconds() > 0.4


def test_25_then_the_next_provider_is_asked(site: Site, closed_port: str) -> None:
    with ReplayServer(ANSWER) as server:
        seen = site.ends(closed_port, server.url)

    assert seen.ending == (Status.COMPLETE, "", TEXT)
    assert seen.calls == [("first", "connection")] * 3 + [("second", "complete")]
    assert seen.message.provider == "second"


def test_25_a_host_without_an_address_is_a_failed_connection(site: Site) -> None:
    with ReplayServer(ANSWER) as server:
        seen = site.ends("http://provider.invalid/v1", server.url, RETRIES=0)

    assert seen.calls == [("first", "connection"), ("second", "complete")]


# 26 Provider hangs before first byte


@pytest.mark.parametrize("fault", [Stall(after=None), Stall()], ids=str)
def test_26_silence_before_the_first_byte_is_tried_again(site: Site, fault: Fault) -> None:
    with ReplayServer(ANSWER, faults=[fault, None]) as server:
        seen = site.ends(server.url, timeouts={"first_token": 1})

    assert seen.ending == (Status.COMPLETE, "", TEXT)
    assert seen.calls == [("first", "timeout"), ("first", "complete")]


def test_26_silence_that_lasts_ends_as_timeout_after_all_were_asked(site: Site) -> None:
    """Seeds: T-06."""
    with ReplayServer(ANSWER, faults=Stall(after=None)) as server:
        seen = site.ends(server.url, server.url, timeouts={"first_token": SHORT}, RETRIES=1)

    assert seen.ending == (Status.FAILED, "timeout", "")
    assert seen.calls == [("first", "timeout")] * 2 + [("second", "timeout")] * 2


# 27 Provider hangs mid-stream


def test_27_silence_in_the_middle_keeps_the_text_and_is_not_tried_again(site: Site) -> None:
    """Seeds: C-16, T-06."""
    with ReplayServer(ANSWER, faults=Stall(after=2)) as server:
        seen = site.ends(server.url, server.url, timeouts={"idle": SHORT})

    assert seen.ending == (Status.FAILED, "timeout", "Once upon ")
    assert seen.calls == [("first", "timeout")]


def test_27_comments_in_the_middle_are_activity_until_the_last_deadline(site: Site) -> None:
    """The matrix does not count comments as activity; we do, as a queueing provider sends nothing else for minutes.

    Seeds: L-07.
    """
    with ReplayServer(event("Once ") + b": thinking\n\n", faults=EndlessAnswer(after=2), interval=0.01) as server:
        seen = site.ends(server.url, timeouts={"idle": SHORT, "total": 3 * SHORT})

    assert seen.ending == (Status.FAILED, "timeout", "Once ")
    assert "had not finished" in seen.message.error_message


# 28, 29 TCP reset, and a clean end without a finish marker


@contextmanager
def in_the_middle(site: Site) -> Iterator[tuple[FaultProxy, Message]]:
    """Give a live answer of which some is committed, and the proxy that it comes through."""
    with ReplayServer(ANSWER, faults=Stall(after=2)) as server, FaultProxy(server.url) as proxy:
        message = site.ask(proxy.url, proxy.url)
        until(lambda: sum(len(data) for data in Chunk.objects.values_list("data", flat=True)) == len("Once upon "))
        yield proxy, message


def test_28_a_reset_in_the_middle_keeps_the_text_and_can_be_retried(site: Site) -> None:
    with in_the_middle(site) as (proxy, message):
        proxy.reset()
        seen = site.see(message)

    assert seen.ending == (Status.FAILED, "connection", "Once upon ")
    assert seen.follower.error["retryable"] is True
    assert seen.calls == [("first", "connection")]


@pytest.mark.parametrize("breaks", [FaultProxy.cut, FaultProxy.half_close])
def test_29_a_connection_that_is_closed_in_the_middle_is_not_completed(site: Site, breaks: Any) -> None:
    """What the matrix calls disconnected is our `truncated`, where the connection was closed rather than reset."""
    with in_the_middle(site) as (proxy, message):
        breaks(proxy)
        seen = site.see(message)

    assert seen.ending == (Status.FAILED, "truncated", "Once upon ")
    assert seen.calls == [("first", "truncated")]


def test_29_a_body_that_ends_without_a_finish_marker_is_not_completed(site: Site) -> None:
    """Seeds: P-08, T-03."""
    with ReplayServer(event("All of it")) as server:
        seen = site.ends(server.url)

    assert seen.ending == (Status.FAILED, "truncated", "All of it")


# 30 Garbage / invalid JSON event


def test_30_an_event_that_is_no_json_is_a_protocol_error(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The matrix wants the first bytes logged; we log nothing a provider says, as it may repeat what people wrote."""
    with ReplayServer(ANSWER, faults=Garbage("json", after=2)) as server:
        seen = site.ends(server.url)

    assert seen.ending == (Status.FAILED, "protocol", "Once upon ")
    assert "this is no JSON" not in caplog.text
    assert KEY not in caplog.text


def test_30_garbage_before_the_first_word_is_tried_again(site: Site) -> None:
    with ReplayServer(ANSWER, faults=[Garbage("json"), Garbage("html"), None]) as server:
        seen = site.ends(server.url)

    assert seen.calls == [("first", "protocol"), ("first", "protocol"), ("first", "complete")]


# 31, 32 Huge single line, gzip bomb


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


@pytest.mark.parametrize("after", [0, 2])
def test_31_a_line_without_end_is_given_up_and_takes_no_memory(site: Site, after: int) -> None:
    with ReplayServer(ANSWER, faults=EndlessLine(after)) as server, traced(megabytes=20):
        seen = site.ends(server.url, RETRIES=0)

    assert seen.ending == (Status.FAILED, "protocol", "Once upon " if after else "")


def test_32_a_compressed_answer_is_refused_unread(site: Site) -> None:
    bomb = gzip.compress(event("x" * 50_000_000))
    headers = {"content-encoding": "gzip", "content-type": "text/event-stream"}
    with ReplayServer(ANSWER, faults=Refusal(200, bomb, headers)) as server, traced(megabytes=20):
        seen = site.ends(server.url, RETRIES=0)

    assert seen.ending == (Status.FAILED, "protocol", "")
    assert server.requests[0].headers["accept-encoding"] == "identity"


# 33, 34 Cuts anywhere


@dataclass(frozen=True)
class Halves(Fault):
    """The body in two pieces."""

    at: int

    def spoil(self, answer: Any) -> Any:
        body = b"".join(answer.pieces)
        return replace(answer, pieces=[body[: self.at], body[self.at :]])


def test_33_an_answer_is_the_same_wherever_it_was_cut(user: Any, settings: Any) -> None:
    body = (
        b'data: {"choices":[{"delta":{"content":"\xc3\xa9\xf0\x9f\x98\x80\\n"},"finish_reason":"stop"}]}\r\n\r\n' + DONE
    )
    with ReplayServer(body, faults=lambda request: Halves(int(request.json["model"]))) as server:
        settings.CONVERSE_STREAM = {"PROVIDERS": {"any": {"base_url": server.url}}, "RETRIES": 0}
        conversations = Conversation.objects.bulk_create([Conversation(owner=user) for _ in body])
        messages = [each.ask("go", model=f"any:{at}") for at, each in enumerate(conversations)]
        endings = [message.wait(60) for message in messages]

    assert {(message.status, message.error_code, message.content) for message in endings} == {
        (Status.COMPLETE, "", "é😀\n")
    }


def test_33_a_slow_drip_is_the_same_answer(site: Site) -> None:
    """Seeds: W-13."""
    with ReplayServer(ANSWER, pieces=1, interval=0.0005) as server:
        assert site.ends(server.url).ending == (Status.COMPLETE, "", TEXT)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b'{"content":"\xf0\x9f\x98\x80"}', "😀"),
        (b'{"content":"\\ud83d"}', "\ufffd"),
        (b'{"content":"a\xffb"}', "a\ufffdb"),
        (b'{"content":"a\xf0\x9f"}', "a\ufffd"),
        (b'{"content":"a\\u0000b"}', "a\ufffdb"),
    ],
)
@pytest.mark.parametrize("pieces", [1, None])
def test_34_broken_characters_never_break_an_answer(site: Site, said: bytes, text: str, pieces: int | None) -> None:
    body = b'data: {"choices":[{"delta":' + said + b"}]}\n\n" + ENDED
    with ReplayServer(body, pieces=pieces) as server:
        assert site.ends(server.url).ending == (Status.COMPLETE, "", text)


def test_34_halves_of_a_character_in_two_events_are_joined(site: Site) -> None:
    with ReplayServer(event("\ud83d") + event("\ude00") + ENDED) as server:
        assert site.ends(server.url).ending == (Status.COMPLETE, "", "😀")


# 35 Never-ending output


def test_35_an_answer_without_end_is_ended_at_the_limit_and_kept(site: Site) -> None:
    """Our limit is MAX_OUTPUT_CHARS, 16 million characters unless the site sets it, and the deadline `total`."""
    with ReplayServer(event("x" * 1000), faults=EndlessAnswer()) as server:
        seen = site.ends(server.url, server.url, MAX_OUTPUT_CHARS=50_000)
        assert server.disconnected.wait(60)

    assert seen.ending == (Status.FAILED, "output_limit", "x" * 50_000)
    assert seen.calls == [("first", "output_limit")]
    assert seen.follower.error["retryable"] is False


def test_35_an_answer_that_takes_for_ever_is_ended_at_its_deadline(site: Site) -> None:
    """Seeds: C-16."""
    with ReplayServer(event("x"), faults=EndlessAnswer(), interval=0.02) as server:
        seen = site.ends(server.url, timeouts={"total": SHORT})

    assert (seen.message.status, seen.message.error_code) == (Status.FAILED, "timeout")
    assert set(seen.message.content) == {"x"}


# 36 429 with / without Retry-After


def test_36_what_the_provider_asks_to_wait_is_waited(site: Site) -> None:
    with ReplayServer(ANSWER, faults=[Refusal(429, headers={"retry-after": "1"}), None]) as server:
        seen = site.ends(server.url)

    first, second = seen.attempts
    assert seen.calls == [("first", "rate_limit"), ("first", "complete")]
    assert 1.0 <= (second.started_at - first.started_at).total_seconds() < 5


def test_36_without_a_hint_it_is_tried_again_soon(site: Site) -> None:
    with ReplayServer(ANSWER, faults=[Refusal(429), None]) as server:
        seen = site.ends(server.url)

    assert seen.calls == [("first", "rate_limit"), ("first", "complete")]


def test_36_what_would_take_too_long_is_asked_of_the_next(site: Site) -> None:
    with ReplayServer(ANSWER, faults=[Refusal(429, headers={"retry-after": "60"}), None]) as server:
        seen = site.ends(server.url, server.url)

    assert seen.calls == [("first", "rate_limit"), ("second", "complete")]
    assert seen.attempts[1].started_at.timestamp() - seen.attempts[0].started_at.timestamp() < 5


def test_36_where_there_is_no_next_it_fails_at_once_and_staff_see_the_seconds(site: Site) -> None:
    with ReplayServer(ANSWER, faults=Refusal(429, headers={"retry-after": "60"})) as server:
        seen = site.ends(server.url)

    assert seen.ending == (Status.FAILED, "rate_limit", "")
    assert seen.calls == [("first", "rate_limit")]
    assert "60 s" in seen.message.error_message


# 37 500/502/503/529, also as an in-stream error event

IN_STREAM = b'data: {"error": {"message": "busy", "type": "overloaded_error", "code": 529}}\n\n'


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refusal(500), "server"),
        (Refusal(502, b"<h1>Bad Gateway</h1>", {"content-type": "text/html"}), "server"),
        (Refusal(503), "overloaded"),
        (Refusal(529), "overloaded"),
        (Refusal(200, IN_STREAM, {"content-type": "text/event-stream"}), "overloaded"),
    ],
    ids=str,
)
def test_37_a_server_in_trouble_is_asked_again_while_nothing_is_said(site: Site, fault: Fault, code: str) -> None:
    """Seeds: B-11."""
    with ReplayServer(ANSWER, faults=[fault, None]) as server:
        seen = site.ends(server.url)

    assert seen.ending == (Status.COMPLETE, "", TEXT)
    assert seen.calls == [("first", code), ("first", "complete")]


def test_37_an_error_after_the_first_word_keeps_the_text(site: Site) -> None:
    """Seeds: T-04."""
    with ReplayServer(event("Once ") + IN_STREAM) as server:
        seen = site.ends(server.url, server.url)

    assert seen.ending == (Status.FAILED, "overloaded", "Once ")
    assert seen.calls == [("first", "overloaded")]


# 38 401/403 bad key


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [(401, "Incorrect API key provided", "auth"), (403, "Incorrect project for the key", "permission")],
)
def test_38_a_bad_key_is_told_to_staff_and_shown_to_nobody(
    site: Site, caplog: pytest.LogCaptureFixture, status: int, said: str, code: str
) -> None:
    """Seeds: L-06."""
    body = json.dumps({"error": {"message": f"{said}: {KEY}."}}).encode()
    with ReplayServer(ANSWER, faults=Refusal(status, body)) as server:
        seen = site.ends(server.url)
    [request] = server.requests

    rows = [*Message.objects.values(), *Attempt.objects.values(), *Conversation.objects.values()]
    shown = json.dumps([seen.follower.events, seen.message.to_dict()], default=str)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert seen.ending == (Status.FAILED, code, "")
    assert seen.calls == [("first", code)]
    assert [record.levelno for record in caplog.records if "failed" in record.message] == [logging.ERROR]
    assert KEY not in repr(rows) + shown + caplog.text
    assert "Incorrect" not in shown


# 39 400 context too long / content filter


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "context_length_exceeded", "message": "too long"}, "context_length"),
        ({"code": "content_filter", "message": "no"}, "content_filter"),
        ({"code": "whatever", "message": "no"}, "bad_request"),
    ],
)
def test_39_a_request_that_cannot_be_answered_is_not_repeated(site: Site, error: Any, code: str) -> None:
    with ReplayServer(ANSWER, faults=Refusal(400, json.dumps({"error": error}).encode())) as server:
        seen = site.ends(server.url)

    assert seen.ending == (Status.FAILED, code, "")
    assert seen.calls == [("first", code)]
    assert seen.follower.error["retryable"] is False


# 40 Redirect to an internal host


def test_40_a_redirect_is_not_followed(site: Site) -> None:
    with (
        ReplayServer(ANSWER) as inside,
        ReplayServer(ANSWER, faults=Refusal(302, b"", {"location": inside.url})) as server,
    ):
        seen = site.ends(server.url, RETRIES=0)

    assert seen.ending == (Status.FAILED, "protocol", "")
    assert inside.requests == []


# 41 Fallback provider also fails


def test_41_when_the_fallback_fails_too_each_cause_is_recorded_and_the_end_is_one(site: Site) -> None:
    with ReplayServer(ANSWER, faults=Refusal(401)) as first, ReplayServer(ANSWER, faults=Cut(after=1)) as second:
        seen = site.ends(first.url, second.url)

    assert seen.ending == (Status.FAILED, "truncated", "Once ")
    assert seen.calls == [("first", "auth"), ("second", "truncated")]
    assert [each["event"] for each in seen.follower.events] == ["start", "text", "failed"]
    assert seen.message.provider == "second"


# 42 Usage/finish frame missing or twice; text after finish


def usage(tokens: int) -> bytes:
    return event(usage={"prompt_tokens": tokens, "completion_tokens": tokens})


@pytest.mark.parametrize(
    ("body", "tokens", "raw"),
    [
        (event("All") + ENDED, None, "stop"),
        (event("All") + DONE, None, ""),
        (event("All") + usage(3) + usage(7) + ENDED, 7, "stop"),
        (event("All") + ENDED + event(" and more") + event(choice={"finish_reason": "length"}), None, "stop"),
    ],
    ids=["no usage", "no finish reason", "usage twice", "more after the end"],
)
def test_42_what_is_missing_is_unknown_and_what_comes_after_the_end_is_ignored(
    site: Site, body: bytes, tokens: int | None, raw: str
) -> None:
    """Text behind a finish reason, but before the end of the stream, is kept: no word of an answer gets lost."""
    with ReplayServer(body) as server:
        seen = site.ends(server.url)

    assert seen.ending == (Status.COMPLETE, "", "All")
    assert (seen.message.finish_reason, seen.message.finish_reason_raw) == ("stop", raw)
    assert (seen.message.input_tokens, seen.message.output_tokens, seen.message.cost) == (tokens, tokens, None)
    assert seen.calls == [("first", "complete")]
