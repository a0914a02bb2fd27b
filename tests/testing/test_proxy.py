"""FaultProxy: what passes is not changed, and what goes wrong goes wrong when it is asked for."""

import select
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from converse_stream.testing import FaultProxy, ReplayServer, Reset

pytestmark = pytest.mark.timeout(60)


class Pair:
    """Two sockets with a proxy between them."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server


@contextmanager
def connected(**faults) -> Iterator[Pair]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(f"tcp://127.0.0.1:{listener.getsockname()[1]}", **faults) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client,
    ):
        listener.settimeout(60)
        server, _ = listener.accept()
        server.settimeout(60)
        with server:
            yield Pair(proxy, client, server)


def is_silent(receiver: socket.socket) -> bool:
    return not select.select([receiver], [], [], 0.15)[0]


def read(receiver: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := receiver.recv(size - len(data))):
        data += more
    return data


def test_what_passes_is_not_changed_in_either_direction():
    sent = bytes(range(256)) * 4000
    with connected() as pair:
        for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
            threading.Thread(target=sender.sendall, args=(sent,)).start()
            assert read(receiver, len(sent)) == sent


def test_the_address_is_the_servers_with_another_port():
    with FaultProxy("postgres://ann:secret@localhost:5432/site?a=b") as proxy:
        assert proxy.url == f"postgres://ann:secret@127.0.0.1:{proxy.port}/site?a=b"


@pytest.mark.parametrize("url", ["http://localhost/v1", "localhost:80", ""])
def test_an_address_without_host_and_port_is_refused(url):
    with pytest.raises(ValueError, match="host and a port"):
        FaultProxy(url)


def test_without_running_there_is_nothing_to_do():
    proxy = FaultProxy("tcp://127.0.0.1:9")

    for use in (lambda: proxy.port, lambda: proxy.url, proxy.cut, proxy.reset, proxy.half_close):
        with pytest.raises(RuntimeError, match="with block"):
            use()


@pytest.mark.parametrize("side", ["client", "server"])
def test_an_end_of_one_side_reaches_the_other_and_what_comes_back_still_passes(side):
    with connected() as pair:
        ending, other = (pair.client, pair.server) if side == "client" else (pair.server, pair.client)
        ending.sendall(b"last")
        ending.shutdown(socket.SHUT_WR)

        assert (read(other, 4), other.recv(1)) == (b"last", b"")
        other.sendall(b"answer")
        assert read(ending, 6) == b"answer"


def test_a_reset_of_the_server_reaches_the_client():
    with (
        ReplayServer(b"x", faults=Reset(after=None)) as server,
        FaultProxy(server.url) as proxy,
        pytest.raises(ConnectionResetError),
    ):
        urllib.request.urlopen(proxy.url, timeout=60)


def test_a_server_that_cannot_be_reached_is_a_reset():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with (
        FaultProxy(f"tcp://127.0.0.1:{port}") as proxy,
        pytest.raises(ConnectionResetError),  # by the first read, or even by the connection
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client,
    ):
        client.recv(1)


def test_latency_holds_everything_back_and_keeps_its_order():
    with connected(latency=0.2) as pair:
        began = time.monotonic()
        pair.client.sendall(b"1")
        pair.client.sendall(b"2")

        assert read(pair.server, 2) == b"12"
        assert 0.2 <= time.monotonic() - began < 2


def test_latency_can_be_changed_while_a_connection_is_open():
    with connected() as pair:
        pair.proxy.latency = 0.2
        began = time.monotonic()
        pair.client.sendall(b"1")

        assert (read(pair.server, 1), pair.proxy.latency) == (b"1", 0.2)
        assert time.monotonic() - began >= 0.2


def test_latency_is_no_limit_to_what_passes_at_a_time():
    sent = b"x" * 500_000
    with connected(latency=0.1) as pair:
        began = time.monotonic()
        threading.Thread(target=pair.client.sendall, args=(sent,)).start()

        assert read(pair.server, len(sent)) == sent
        assert time.monotonic() - began < 2  # and not 0.1 s for each block


def test_slices_are_small():
    with connected(slice=3) as pair:
        pair.client.sendall(b"abcdefg")

        assert read(pair.server, 7) == b"abcdefg"
        pair.proxy.slice = 1
        pair.client.sendall(b"hi")
        assert (read(pair.server, 2), pair.proxy.slice) == (b"hi", 1)


def test_what_is_sliced_arrives_in_more_than_one_piece():
    with connected(slice=1) as pair:
        pair.client.sendall(b"x" * 2000)
        sizes = []
        while sum(sizes) < 2000:
            sizes.append(len(pair.server.recv(2000)))

    assert len(sizes) > 1  # how many depends on how soon this thread is woken


@pytest.mark.parametrize("slice", [None, 3])
def test_each_connection_is_cut_after_so_many_pieces(slice):
    size = slice or 5
    with connected(slice=slice, cut_after=2) as pair:
        for _ in range(2):
            pair.server.sendall(b"x" * size)
            assert read(pair.client, size) == b"x" * size

        assert (pair.client.recv(1), pair.server.recv(1)) == (b"", b"")
        assert pair.proxy.cut_after == 2


def test_what_the_client_sends_wears_nothing_out_and_no_limit_is_none():
    with connected(cut_after=1) as pair:
        for _ in range(3):
            pair.client.sendall(b"x")
            assert read(pair.server, 1) == b"x"
        pair.proxy.cut_after = None
        pair.server.sendall(b"yz")
        assert read(pair.client, 2) == b"yz"
        assert pair.proxy.connections == 1


def test_nothing_passes_a_blackhole_until_it_is_over():
    with connected() as pair:
        pair.proxy.blackhole = True
        pair.client.sendall(b"question")
        pair.server.sendall(b"answer")

        assert pair.proxy.blackhole
        assert is_silent(pair.server)
        assert is_silent(pair.client)
        pair.proxy.blackhole = False
        assert (read(pair.server, 8), read(pair.client, 6)) == (b"question", b"answer")


def test_a_blackhole_accepts_connections_and_hides_ends():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(f"tcp://127.0.0.1:{listener.getsockname()[1]}", blackhole=True) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client,
    ):
        client.sendall(b"anybody?")

        assert is_silent(client)
        assert is_silent(listener)


def test_a_blackhole_makes_a_fast_sender_wait():
    with connected() as pair:
        pair.proxy.blackhole = True
        pair.server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            pair.server.sendall(b"x" * 50_000_000)


def test_a_cut_ends_both_sides():
    with connected() as pair:
        pair.client.sendall(b"x")
        read(pair.server, 1)

        assert pair.proxy.cut() == 1
        assert (pair.client.recv(1), pair.server.recv(1)) == (b"", b"")
        assert (pair.proxy.connections, pair.proxy.cut()) == (0, 0)


def test_a_reset_ends_both_sides_with_an_error():
    with connected() as pair:
        pair.client.sendall(b"x")
        read(pair.server, 1)

        assert pair.proxy.reset() == 1
        for side in (pair.client, pair.server):
            with pytest.raises(ConnectionResetError):
                side.recv(1)


def test_a_blackhole_can_be_cut():
    with connected() as pair:
        pair.proxy.blackhole = True

        assert pair.proxy.cut() == 1
        assert (pair.client.recv(1), pair.server.recv(1)) == (b"", b"")


@pytest.mark.parametrize("side", ["client", "server"])
def test_half_a_close_ends_one_direction_only(side):
    with connected() as pair:
        told, other = (pair.client, pair.server) if side == "client" else (pair.server, pair.client)

        assert (pair.proxy.half_close(side), pair.proxy.half_close(side)) == (1, 0)
        assert told.recv(1) == b""
        other.sendall(b"lost")
        told.sendall(b"still there")
        assert read(other, 11) == b"still there"
        assert pair.proxy.connections == 1


def test_other_connections_come_and_go_after_a_cut():
    with ReplayServer(b"hello") as server, FaultProxy(server.url) as proxy:
        for _ in range(2):
            with urllib.request.urlopen(proxy.url, timeout=60) as response:
                assert response.read() == b"hello"
            proxy.cut()


def test_closing_the_proxy_closes_its_connections():
    with connected() as pair:
        pair.proxy.__exit__(None, None, None)

        assert (pair.client.recv(1), pair.server.recv(1)) == (b"", b"")
        pair.proxy.__exit__(None, None, None)
