"""The way to a provider, over real sockets."""

import asyncio
import os
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from converse_stream.exceptions import (
    BadRequest,
    ConnectionFailed,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    Truncated,
)
from converse_stream.providers import client
from converse_stream.providers.deadlines import Timeouts
from converse_stream.providers.keys import Secret
from converse_stream.testing import Refusal, ReplayServer

pytestmark = pytest.mark.usefixtures("connections")


def post(url: str, payload: object = None, **timeouts: float):
    return client.post(url, {"q": 1} if payload is None else payload, headers={}, timeouts=Timeouts(**timeouts))


async def body(url: str, **timeouts: float) -> bytes:
    async with post(url, **timeouts) as reply:
        return b"".join([piece async for piece in reply])


@contextmanager
def rude_server(*, says: bytes, resets: bool) -> Iterator[str]:
    """Accept one connection, say something, and hang up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(says)
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join()


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


async def test_the_body_arrives_byte_for_byte():
    sent = bytes(range(256)) * 10
    with ReplayServer(sent, pieces=[1, 100, 7]) as server:
        assert await body(server.url) == sent


async def test_an_answer_flows_from_its_first_token_to_its_end():
    with ReplayServer(b"data: 1\n\ndata: 2\n\n", pieces=[9, 9]) as server:
        async with post(server.url) as reply:
            await anext(reply)
            assert client.flowing == set()
            reply.begun()
            assert len(client.flowing) == 1
            assert b"".join([piece async for piece in reply]) == b"data: 2\n\n"
        assert client.flowing == set()


async def test_bytes_arrive_before_the_provider_has_finished():
    gate = threading.Event()
    with ReplayServer(b"data: 1\n\ndata: 2\n\n", gate=gate) as server:
        async with post(server.url) as reply:
            first = await anext(reply)
            gate.set()
            rest = b"".join([piece async for piece in reply])

    assert (first, rest) == (b"data: 1\n\n", b"data: 2\n\n")


async def test_the_request_is_json_asks_for_no_compression_and_carries_the_headers():
    with ReplayServer(b"x") as server:
        headers = {"authorization": "Bearer " + Secret("key"), "x-plain": "1"}
        async with client.post(server.url + "/a", {"q": "é"}, headers=headers, timeouts=Timeouts()) as reply:
            await reply.read()
        (request,) = server.requests

    assert (request.method, request.path, request.json) == ("POST", "/v1/a", {"q": "é"})
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert (request.headers["authorization"], request.headers["x-plain"]) == ("Bearer key", "1")


async def test_text_that_cannot_be_encoded_is_sent_as_it_would_be_stored():
    with ReplayServer(b"x") as server:
        async with post(server.url, {"q": "a\ud800", "n": float("nan")}) as reply:
            await reply.read()
        (request,) = server.requests

    assert request.json == {"q": "a\ufffd", "n": None}


async def test_what_is_no_json_is_refused_before_the_request():
    with pytest.raises(BadRequest):
        await post("http://127.0.0.1:9/", {"q": object()}).__aenter__()


async def test_a_finished_exchange_leaves_its_connection_for_the_next():
    with ReplayServer(b"data: 1\n\n") as server:
        for _ in range(2):
            async with post(server.url) as reply:
                await anext(reply)
                await reply.drain()
        first, second = server.requests

    assert first.port == second.port


async def test_a_child_process_does_not_use_its_parents_connections(monkeypatch):
    with ReplayServer(b"x") as server:
        await body(server.url)
        parents = client._client()
        monkeypatch.setattr(os, "getpid", lambda: -1)
        await body(server.url)
        await parents.aclose()
        first, second = server.requests

    assert first.port != second.port


def test_each_event_loop_has_a_client_of_its_own():
    async def ask(url: str) -> bytes:
        try:
            return await body(url)
        finally:
            await client.close()

    with ReplayServer(b"x") as server:
        assert [asyncio.run(ask(server.url)) for _ in range(2)] == [b"x", b"x"]


def test_a_loop_that_ended_without_closing_its_client_is_forgotten():
    async def clients() -> list[asyncio.AbstractEventLoop]:
        client._client()
        return list(client._clients.by_loop)

    ended = asyncio.new_event_loop()
    ended.run_until_complete(clients())
    ended.close()

    assert ended not in asyncio.run(clients())


async def test_closing_without_a_client_is_nothing():
    await client.close()
    await client.close()


async def test_a_redirect_is_not_followed():
    with ReplayServer(b"", status=302, headers={"location": "http://127.0.0.1:9/internal"}) as server:
        async with post(server.url) as reply:
            assert reply.status == 302


async def test_a_compressed_answer_is_refused():
    compressed = Refusal(200, b"\x1f\x8b", {"content-encoding": "gzip"})
    with ReplayServer(b"", faults=compressed) as server, pytest.raises(ProtocolError, match="compressed"):
        await body(server.url)


async def test_a_compressed_refusal_keeps_its_status_and_headers_and_has_no_body():
    compressed = Refusal(429, b"\x1f\x8b", {"content-encoding": "gzip", "retry-after": "7"})
    with ReplayServer(b"", faults=compressed) as server:
        async with post(server.url) as reply:
            assert (reply.status, reply.headers["retry-after"], await reply.read()) == (429, "7", b"")


async def test_an_error_body_is_read_up_to_a_limit():
    with ReplayServer(b"x" * 200_000, pieces=50_000, status=500) as server:
        async with post(server.url) as reply:
            assert await reply.read() == b"x" * 65_536


async def test_an_error_body_that_breaks_off_is_what_there_was_of_it():
    with ReplayServer(b"half", status=500, cut=True) as server:
        async with post(server.url) as reply:
            assert await reply.read() == b"half"


async def test_a_connection_that_nobody_accepts_is_a_failed_connection():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1: ConnectError") as caught:
        await body(f"http://127.0.0.1:{port}/v1")

    assert isinstance(caught.value.__cause__, httpx.ConnectError)


async def test_a_server_that_hangs_up_without_a_word_is_a_failed_connection():
    with rude_server(says=b"", resets=False) as url, pytest.raises(ConnectionFailed):
        await body(url)


async def test_a_reset_in_the_middle_is_a_failed_connection():
    with (
        rude_server(says=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n", resets=True) as url,
        pytest.raises(ConnectionFailed),
    ):
        await body(url)


async def test_an_end_in_the_middle_is_a_truncated_answer():
    with ReplayServer(b"data: 1\n\n", cut=True) as server, pytest.raises(Truncated) as caught:
        await body(server.url)

    assert isinstance(caught.value.__cause__, httpx.RemoteProtocolError)


async def test_silence_longer_than_the_idle_timeout_is_a_timeout():
    with (
        ReplayServer(b"data: 1\n\ndata: 2\n\n", gate=threading.Event()) as server,
        pytest.raises(ProviderTimeout) as caught,
    ):
        await body(server.url, idle=0.05)

    assert isinstance(caught.value.__cause__, httpx.ReadTimeout)


async def test_silence_before_the_first_byte_is_a_timeout():
    with ReplayServer(b"data: 1\n\n", gate=threading.Event(), before_gate=0) as server, pytest.raises(ProviderTimeout):
        await body(server.url, idle=0.05)


async def test_an_answer_that_goes_on_past_its_total_time_is_a_timeout():
    with (
        ReplayServer(b": still here\n\n" * 1000, interval=0.01) as server,
        pytest.raises(ProviderTimeout, match="not finished"),
    ):
        await body(server.url, total=0.1)


async def test_an_answer_that_does_not_begin_in_time_is_a_timeout():
    with (
        ReplayServer(b": still here\n\n" * 1000, interval=0.01) as server,
        pytest.raises(ProviderTimeout, match="not begun"),
    ):
        await body(server.url, first_token=0.1, total=9)


async def test_an_answer_that_has_begun_has_no_deadline_for_its_beginning():
    with ReplayServer(b"data: 1\n\n" * 20, interval=0.03) as server:
        async with post(server.url, first_token=0.4) as reply:
            reply.begun()
            pieces = [piece async for piece in reply]

    assert len(b"".join(pieces)) == 180


async def test_leaving_early_closes_the_connection():
    with ReplayServer(b"data: 1\n\ndata: 2\n\n", gate=threading.Event()) as server:
        async with post(server.url) as reply:
            await anext(reply)
        left = await asyncio.to_thread(server.disconnected.wait, 10)

    assert left


async def test_being_cancelled_closes_the_connection():
    arrived = asyncio.Event()

    async def ask(url: str) -> None:
        async with post(url) as reply:
            async for _ in reply:
                arrived.set()

    with ReplayServer(b"data: 1\n\ndata: 2\n\n", gate=threading.Event()) as server:
        task = asyncio.create_task(ask(server.url))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = await asyncio.to_thread(server.disconnected.wait, 10)

    assert left


async def test_draining_does_not_wait_for_a_server_that_never_ends():
    with ReplayServer(b"data: 1\n\ndata: 2\n\n", gate=threading.Event()) as server:
        async with asyncio.timeout(60), post(server.url) as reply:
            await anext(reply)
            await reply.drain()


@pytest.mark.parametrize("url", ["http://exa mple/", "http://"])
async def test_an_address_that_is_none_is_our_error(url):
    with pytest.raises(ProviderError):
        await body(url)


@pytest.mark.parametrize("kind", sorted(subclasses(httpx.TransportError), key=lambda kind: kind.__name__))
def test_every_transport_error_of_httpx_has_a_translation(kind):
    translated = {theirs for theirs in client.TRANSLATIONS if theirs is not httpx.RequestError}

    found = client.translate(kind("no luck"), "host")

    assert kind is httpx.TransportError or any(issubclass(kind, theirs) for theirs in translated)
    expected = ProviderTimeout if issubclass(kind, httpx.TimeoutException) else ConnectionFailed
    assert type(found) is expected
    assert str(found).startswith(f"host: {kind.__name__}")


def test_no_other_module_imports_httpx():
    package = Path(client.__file__).parents[1]
    importing = [
        path for path in package.rglob("*.py") if re.search(r"^\s*(import|from) httpx", path.read_text(), re.M)
    ]

    assert importing == [Path(client.__file__)]


def test_what_httpx_could_not_send_is_not_quoted():
    found = client.translate(httpx.LocalProtocolError("Illegal header value b'Bearer sk-canary'"), "host")

    assert "canary" not in str(found)
