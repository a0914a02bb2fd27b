"""Faults: the replay server does wrong what a test asked for, with the request it was asked for."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse, IncompleteRead, RemoteDisconnected
from urllib.parse import urlsplit

import pytest

from converse_stream.testing import (
    Cut,
    EndlessAnswer,
    EndlessLine,
    Garbage,
    Refusal,
    ReplayServer,
    Reset,
    Stall,
)

EVENTS = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"


def get(url: str, path: str = "") -> HTTPResponse:
    return urllib.request.urlopen(url + path, timeout=60)


def read(url: str) -> bytes:
    with get(url) as response:
        return response.read()


@contextmanager
def begun(server: ReplayServer) -> Iterator[HTTPConnection]:
    """Send a request and let the test wait for the response."""
    connection = HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=60)
    connection.request("GET", "/v1")
    try:
        yield connection
    finally:
        connection.close()


def test_a_stall_sends_some_pieces_and_then_nothing_until_the_client_leaves():
    with ReplayServer(EVENTS, faults=Stall(after=2)) as server:
        with begun(server) as connection:
            connection.sock.settimeout(0.1)
            response = connection.getresponse()
            assert response.read(18) == EVENTS[:18]
            with pytest.raises(TimeoutError):
                response.read(1)
            assert not server.disconnected.is_set()
            response.close()

        assert server.disconnected.wait(60)


def test_a_stall_can_come_before_the_status_line():
    with ReplayServer(EVENTS, faults=Stall(after=None)) as server, begun(server) as connection:
        connection.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.getresponse()


def test_a_stall_ends_with_the_server():
    with ReplayServer(EVENTS, faults=Stall(after=1)) as server, get(server.url) as response:
        response.read(1)
        server.__exit__(None, None, None)


def test_a_reset_is_an_error_and_no_end():
    with (
        ReplayServer(EVENTS, faults=Reset(after=2)) as server,
        get(server.url) as response,
        pytest.raises(ConnectionResetError),
    ):
        response.read()


def test_a_reset_can_come_in_place_of_an_answer():
    with (
        ReplayServer(EVENTS, faults=Reset(after=None)) as server,
        begun(server) as connection,
        pytest.raises(ConnectionResetError),
    ):
        connection.getresponse()


def test_a_cut_ends_the_connection_in_the_middle_of_the_body():
    with ReplayServer(EVENTS, faults=Cut(after=2)) as server, pytest.raises(IncompleteRead) as caught:
        read(server.url)

    assert caught.value.partial == EVENTS[:18]


def test_a_cut_can_come_without_a_word():
    with ReplayServer(EVENTS, faults=Cut(after=None)) as server, pytest.raises(RemoteDisconnected):
        read(server.url)


@pytest.mark.parametrize(
    ("garbage", "expected"),
    [
        (Garbage("json", after=1), b"data: 1\n\ndata: {this is no JSON\n\n"),
        (Garbage("nothing"), b""),
        (Garbage("nothing", after=2), EVENTS[:18]),
        (Garbage("half", after=1), EVENTS[:13]),
        (Garbage("half", after=3), EVENTS),
    ],
    ids=str,
)
def test_garbage_takes_the_place_of_the_rest_and_ends_properly(garbage, expected):
    with ReplayServer(EVENTS, faults=garbage) as server:
        assert read(server.url) == expected


def test_a_page_is_labelled_as_one_unless_the_answer_has_begun():
    faults = [Garbage("html"), Garbage("html", after=1)]
    with ReplayServer(EVENTS, faults=faults) as server, get(server.url) as alone, get(server.url) as within:
        assert (alone.headers["content-type"], within.headers["content-type"]) == ("text/html", "text/event-stream")
        assert within.read() == EVENTS[:9] + alone.read()


def test_a_status_has_a_body_and_headers_of_its_own():
    with ReplayServer(EVENTS, faults=Refusal(429, headers={"retry-after": "3"})) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server.url)
        with caught.value as response:
            assert (response.status, response.headers["retry-after"]) == (429, "3")
            assert json.loads(response.read())["error"]["message"]


def test_an_endless_line_has_no_end_and_no_line_break():
    with ReplayServer(EVENTS, faults=EndlessLine(after=1)) as server:
        with get(server.url) as response:
            read = response.read(3_000_000)

        assert read.startswith(b"data: 1\n\ndata: xxx")
        assert read.count(b"\n") == 2
        assert server.disconnected.wait(60)
        assert server.sent >= len(read)


def test_an_endless_answer_repeats_its_last_piece():
    with ReplayServer(EVENTS, faults=EndlessAnswer(after=2)) as server:
        with get(server.url) as response:
            assert response.read(45) == EVENTS[:18] + EVENTS[9:18] * 3

        assert server.disconnected.wait(60)


def test_an_endless_answer_of_nothing_is_empty():
    with ReplayServer(EVENTS, faults=EndlessAnswer(after=0)) as server:
        assert read(server.url) == b""


def test_each_request_in_turn_gets_its_fault_and_then_nothing_is_wrong(tmp_path):
    refused = tmp_path / "refused.body"
    refused.write_bytes(b"{}")
    refused.with_suffix(".json").write_text('{"http_status": 503}')

    with ReplayServer(EVENTS, faults=[Garbage("nothing"), None, b"another", refused]) as server:
        assert [read(server.url) for _ in range(3)] == [b"", EVENTS, b"another"]
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            get(server.url)
        caught.value.close()
        assert read(server.url) == EVENTS


def test_one_fault_is_for_every_request():
    with ReplayServer(EVENTS, faults=Garbage("nothing")) as server:
        assert [read(server.url) for _ in range(2)] == [b"", b""]


def test_a_function_chooses_by_the_request():
    def choose(request):
        return Garbage("nothing") if request.path.endswith("bad") else None

    with ReplayServer(EVENTS, faults=choose) as server, ThreadPoolExecutor(4) as pool:
        bodies = pool.map(lambda path: read(server.url + path), ["/bad", "/good"] * 4)

        assert list(bodies) == [b"", EVENTS] * 4


def test_a_gate_holds_back_what_a_fault_sends():
    gate = threading.Event()
    with ReplayServer(EVENTS, faults=Garbage("json", after=1), gate=gate) as server, get(server.url) as response:
        assert response.read(9) == EVENTS[:9]
        gate.set()
        assert response.read() == b"data: {this is no JSON\n\n"
