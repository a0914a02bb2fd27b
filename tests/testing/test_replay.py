"""ReplayServer, seen from an ordinary HTTP client."""

import json
import threading
import urllib.error
import urllib.request
from http.client import HTTPResponse, IncompleteRead

import pytest

from converse_stream.testing import ReplayServer

EVENTS = b"data: 1\n\ndata: 2\r\n\r\ndata: 3\r\rdata: 4"


def get(url: str, **options) -> HTTPResponse:
    return urllib.request.urlopen(urllib.request.Request(url, **options))


def test_the_body_status_and_headers_are_replayed():
    replay = ReplayServer(EVENTS, content_type="text/plain", headers={"X-Request-Id": "r1"})

    with replay as server, get(server.url + "/chat/completions", data=b"{}") as response:
        assert response.read() == EVENTS
        assert response.headers["content-type"] == "text/plain"
        assert response.headers["x-request-id"] == "r1"


def test_a_request_is_recorded():
    with ReplayServer(EVENTS) as server:
        get(server.url + "/a?b=c", data=json.dumps({"q": 1}).encode(), headers={"Authorization": "x"}).close()
        get(server.url, data=b"no json").close()
        get(server.url).close()
        posted, text, got = server.requests

    assert (posted.method, posted.path, posted.json) == ("POST", "/v1/a?b=c", {"q": 1})
    assert posted.headers["authorization"] == "x"
    assert text.json is None
    assert got.method == "GET"


def test_a_piece_is_an_event_unless_sizes_are_given():
    assert ReplayServer(EVENTS).answer.pieces == [b"data: 1\n\n", b"data: 2\r\n\r\n", b"data: 3\r\r", b"data: 4"]
    assert ReplayServer(b"abcdefg", pieces=3).answer.pieces == [b"abc", b"def", b"g"]
    assert ReplayServer(b"abcdefg", pieces=[1, 2]).answer.pieces == [b"a", b"bc", b"d", b"ef", b"g"]


def test_a_gate_holds_back_what_follows_the_first_piece():
    gate = threading.Event()
    with ReplayServer(EVENTS, gate=gate) as server, get(server.url) as response:
        first = response.read(9)
        gate.set()
        assert first + response.read() == EVENTS


def test_pieces_are_sent_at_a_pace():
    with ReplayServer(EVENTS, interval=0.01) as server, get(server.url) as response:
        assert response.read() == EVENTS


def test_a_cut_body_has_no_proper_end():
    with ReplayServer(EVENTS, cut=True) as server, get(server.url) as response, pytest.raises(IncompleteRead) as caught:
        response.read()

    assert caught.value.partial == EVENTS


def test_a_client_that_leaves_is_noticed():
    with ReplayServer(EVENTS, gate=threading.Event()) as server:
        with get(server.url) as response:
            response.read(1)

        assert server.disconnected.wait(60)


def test_a_server_that_closes_first_was_not_left_by_its_client():
    with ReplayServer(EVENTS, gate=threading.Event()) as server, get(server.url) as response:
        response.read(1)
        server.__exit__(None, None, None)

        assert not server.disconnected.is_set()


def test_what_was_sent_is_counted():
    with ReplayServer(EVENTS) as server:
        for _ in range(2):
            with get(server.url) as response:
                response.read()

        assert server.sent == 2 * len(EVENTS)


def test_closing_does_not_wait_for_a_gate():
    with ReplayServer(EVENTS, gate=threading.Event()) as server, get(server.url) as response:
        response.read(1)
        server.__exit__(None, None, None)


def test_a_recording_brings_its_status_type_and_headers(tmp_path):
    body = tmp_path / "refused.body"
    body.write_bytes(b"{}")
    headers = {"Retry-After": "20", "Content-Length": "999", "Content-Encoding": "gzip"}
    facts = {"http_status": 429, "content_type": "application/json", "headers": headers}
    body.with_suffix(".json").write_text(json.dumps(facts))

    with ReplayServer(body) as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server.url)
        with caught.value as response:
            assert (response.status, response.read()) == (429, b"{}")
            assert response.headers["retry-after"] == "20"
            assert response.headers["content-type"] == "application/json"


def test_what_is_said_here_wins_over_the_recording(tmp_path):
    body = tmp_path / "plain.sse"
    body.write_bytes(b"x")
    body.with_suffix(".json").write_text(json.dumps({"http_status": 500, "headers": {"a": "1"}}))

    server = ReplayServer(str(body), status=201, headers={"A": "2"}, content_type="text/plain")

    assert (server.answer.status, server.answer.headers) == (201, {"a": "2", "content-type": "text/plain"})


def test_without_running_there_is_no_address():
    with pytest.raises(RuntimeError, match="with block"):
        _ = ReplayServer(b"").url
