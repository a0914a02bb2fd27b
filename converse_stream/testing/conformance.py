"""ProviderConformance: what every provider promises, as tests for providers of a site's own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from converse_stream.events import KIND_OF, Delta, Finish, Usage
from converse_stream.exceptions import ProviderError
from converse_stream.providers import Provider
from converse_stream.testing.altered import SAID, lines_before_the_end, uncounted, with_error
from converse_stream.testing.answer import Body, recorded
from converse_stream.testing.asking import CONVERSATION, QUESTION, left, raises, several, text_of
from converse_stream.testing.faults import Cut, Fault, Garbage, Refusal
from converse_stream.testing.replay import ReplayServer

REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "error", "cancelled"})


class ProviderConformance:
    """Subclass it under a name that begins with Test, and say what to test with; pytest finds the rest.

    The tests ask the provider over real sockets, and have it read `body`, an answer that was recorded from the real
    server: whole, in pieces, and broken in several ways.
    """

    body: ClassVar[Body]
    """The recorded answer, as ReplayServer takes it: bytes, or a path. It must be of several lines."""
    text: ClassVar[str]
    """The text that it says."""
    error: ClassVar[bytes] = b""
    """How the server tells of an error in the middle of an answer, with the message "as the test asked for": the
    event as it sends it. By default an object `error` with a `message`, or its text where the body is lines of JSON."""
    patience: ClassVar[float] = 10
    """Seconds after which words that have not come yet are late."""
    key: ClassVar[str] = "sk-conformance-0123456789"
    """The key to ask with; empty for a provider without one."""

    def provider(self, url: str) -> Provider:
        """Return the provider, to ask the server at `url` with `key`."""
        raise NotImplementedError("return your provider here, with `url` as its address and `self.key` as its key")

    # Answers

    def test_an_answer_is_told_whole_and_ends_once(self) -> None:
        with self._server() as server:
            deltas = self._asked(server)

        assert all(type(delta) in KIND_OF for delta in deltas)
        assert text_of(deltas) == self.text
        assert [type(delta) for delta in deltas].count(Finish) == 1
        assert isinstance(deltas[-1], Finish)
        assert deltas[-1].reason in REASONS

    def test_an_answer_is_the_same_however_its_bytes_arrive(self) -> None:
        answers = []
        for pieces in ([2**20], [7], self._lines()):
            with ReplayServer(self.body, pieces=pieces) as server:
                answers.append(self._asked(server))

        assert [text_of(deltas) for deltas in answers] == [self.text] * 3
        others = [[delta for delta in deltas if not hasattr(delta, "text")] for deltas in answers]
        assert others[0] == others[1] == others[2]

    def test_async_code_gets_what_sync_code_gets(self) -> None:
        with self._server() as server:
            expected = self._asked(server)

            assert asyncio.run(several(self.provider(server.url), 1)) == [expected]

    def test_several_answers_at_once_do_not_mix(self) -> None:
        with self._server() as server:
            answers = asyncio.run(several(self.provider(server.url), 5))

        assert [text_of(deltas) for deltas in answers] == [self.text] * 5

    def test_the_first_words_are_there_before_the_last(self) -> None:
        gate, early = threading.Event(), lines_before_the_end(self._bytes())
        too_late = threading.Timer(self.patience, gate.set)
        too_late.start()
        with ReplayServer(self.body, pieces=self._lines(), gate=gate, before_gate=early) as server:
            deltas = self.provider(server.url).stream(QUESTION)
            first = next(delta for delta in deltas if hasattr(delta, "text"))
            was_early = not gate.is_set()
            too_late.cancel()
            gate.set()

            assert was_early, "nothing was told before the answer's last lines had arrived"
            assert self.text.startswith(text_of([first]))
            assert isinstance(list(deltas)[-1], Finish)

    def test_leaving_early_ends_the_request(self) -> None:
        with ReplayServer(self.body, pieces=self._lines(), gate=threading.Event(), before_gate=1) as server:
            provider = self.provider(server.url)
            asyncio.run(left(provider, server))

            assert server.disconnected.wait(10)

    def test_a_conversation_with_everything_in_it_can_be_sent(self) -> None:
        with self._server() as server:
            assert text_of(self._asked(server, CONVERSATION)) == self.text
            (request,) = server.requests

        sent = str(request.json)
        assert [text for text in ("Be brief.", "It is cold.", "And in Bergen?") if text not in sent] == []
        assert "shown to viewers only" not in sent

    # What goes wrong

    def test_an_answer_cut_short_is_an_error_after_what_was_said(self) -> None:
        half = len(self._lines()) // 2
        for fault in (Cut(after=half), Garbage("nothing", after=half)):
            said, error = self._failure(fault)

            assert error.retryable, error
            assert self.text.startswith(text_of(said))
            assert not any(isinstance(delta, Finish) for delta in said)

    def test_an_error_in_the_middle_of_an_answer_is_an_error(self) -> None:
        with self._altered(with_error(self._bytes(), self.error)) as server:
            error = self._error(server.url)

        assert SAID in str(error), error

    def test_what_is_no_json_in_the_middle_of_an_answer_is_an_error(self) -> None:
        said, _ = self._failure(Garbage("json", after=len(self._lines()) // 2))

        assert self.text.startswith(text_of(said))

    def test_usage_that_nobody_counted_is_unknown_and_not_zero(self) -> None:
        with self._altered(uncounted(self._bytes())) as server:
            deltas = self._asked(server)

        counts = [(each.input_tokens, each.output_tokens) for each in deltas if isinstance(each, Usage)]
        assert not any(0 in both for both in counts), "None is the word for what is not known"

    def test_a_refusal_is_the_error_of_its_status(self) -> None:
        expected = {401: "auth", 403: "permission", 404: "not_found", 429: "rate_limit", 500: "server"}

        found = {status: self._failure(Refusal(status))[1] for status in expected}

        assert {status: error.code for status, error in found.items()} == expected
        assert {status: error.status for status, error in found.items()} == {status: status for status in expected}

    def test_a_refusal_says_when_to_come_back(self) -> None:
        assert self._failure(Refusal(429, headers={"retry-after": "7"}))[1].retry_after == 7

    def test_a_redirect_is_not_followed(self) -> None:
        with self._server(Refusal(302, headers={"location": "/elsewhere"})) as server:
            error = self._error(server.url)

            assert len(server.requests) == 1
        assert error.code == "protocol"

    def test_a_page_in_place_of_an_answer_is_an_error(self) -> None:
        page = Refusal(200, b"<html>It works!</html>", {"content-type": "text/html"})

        assert self._failure(page)[1].code in ("protocol", "truncated")

    def test_a_server_that_is_not_there_is_an_error(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"

            assert self._error(url).code == "connection"

    def test_it_answers_again_after_a_failure(self) -> None:
        with self._server([Refusal(500), None]) as server:
            provider = self.provider(server.url)
            with raises() as caught:
                list(provider.stream(QUESTION))

            assert caught.error.code == "server"
            assert text_of(provider.stream(QUESTION)) == self.text

    # Keys

    def test_the_key_is_in_a_header_and_nowhere_else(self) -> None:
        refused = f'{{"error": {{"message": "the key {self.key} is not known"}}}}'.encode()
        with self._server(Refusal(401, refused)) as server:
            error, provider = self._error(server.url), self.provider(server.url)
            (request,) = server.requests

        if self.key:
            assert self.key in str(request.headers)
            assert self.key not in f"{request.path} {request.json}"
            assert self.key not in f"{error} {error!r} {vars(error)} {provider!r} {provider.label}"

    # How

    def _server(self, faults: Any = None) -> ReplayServer:
        return ReplayServer(self.body, faults=faults)

    def _asked(self, server: ReplayServer, messages: Iterable[Any] = QUESTION) -> list[Delta]:
        return list(self.provider(server.url).stream(messages))

    def _altered(self, body: bytes) -> ReplayServer:
        return ReplayServer(body, content_type=recorded(self.body).headers["content-type"])

    def _bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else Path(self.body).read_bytes()

    def _lines(self) -> list[int]:
        return [len(line) for line in self._bytes().splitlines(keepends=True)]

    def _failure(self, fault: Fault) -> tuple[list[Delta], ProviderError]:
        said: list[Delta] = []
        with ReplayServer(self.body, faults=fault, pieces=self._lines()) as server, raises() as caught:
            for delta in self.provider(server.url).stream(QUESTION):
                said.append(delta)  # one by one: what came before the error counts
        return said, caught.error

    def _error(self, url: str) -> ProviderError:
        with raises() as caught:
            list(self.provider(url).stream(QUESTION))
        return caught.error
