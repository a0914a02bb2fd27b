"""The loop in which answers are written reads those that flow together, and keeps nothing else waiting."""

import asyncio
import selectors
import socket
import time
from collections.abc import Iterator

import pytest

from converse_stream.runners import patience
from converse_stream.runners.patience import PatientSelector

READ = selectors.EVENT_READ


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Two ends of a calm connection, two of another one."""
    made = [*socket.socketpair(), *socket.socketpair()]
    yield made
    for each in made:
        each.close()


def ready(selector: PatientSelector, timeout: float | None = 0) -> list[object]:
    return [key.data for key, _ in selector.select(timeout)]


def test_what_flows_is_told_of_once_in_a_beat_and_all_else_at_once(sockets, monkeypatch):
    monkeypatch.setattr(patience, "BEAT", 600.0)
    calm, answer, other, asker = sockets
    selector = PatientSelector({calm.fileno()})
    selector.register(calm, READ, "calm")
    selector.register(other, READ, "other")

    answer.send(b"first")
    assert ready(selector, 30) == ["calm"]
    assert ready(selector) == []
    asker.send(b"!")
    assert ready(selector, None) == ["other"]
    assert ready(selector, 0.01) == ["other"]
    selector.close()


def test_what_has_come_meanwhile_is_told_of_when_the_beat_is_over(sockets, monkeypatch):
    monkeypatch.setattr(patience, "BEAT", 0.05)
    calm, answer, *_ = sockets
    selector = PatientSelector({calm.fileno()})
    selector.register(calm, READ, "calm")
    answer.send(b"first")

    began = time.monotonic()
    assert ready(selector, 30) == ["calm"]
    assert ready(selector, None) == ["calm"]
    assert time.monotonic() - began >= 0.05
    selector.close()


def test_with_many_answers_the_beat_is_slow(sockets, monkeypatch):
    monkeypatch.setattr(patience, "BEAT", 0.0)
    monkeypatch.setattr(patience, "SLOW_BEAT", 600.0)
    calm, answer, *_ = sockets
    selector = PatientSelector({calm.fileno(), *range(10_000, 10_000 + patience.MANY)})
    selector.register(calm, READ, "calm")
    answer.send(b"first")

    assert ready(selector, 30) == ["calm"]
    assert ready(selector) == []
    selector.close()


def test_what_flows_no_longer_is_told_of_at_once(sockets, monkeypatch):
    monkeypatch.setattr(patience, "BEAT", 600.0)
    calm, answer, *_ = sockets
    flowing = {calm.fileno()}
    selector = PatientSelector(flowing)
    selector.register(calm, READ, "calm")
    answer.send(b"last")
    assert ready(selector, 30) == ["calm"]

    flowing.clear()

    assert ready(selector, None) == ["calm"]
    selector.close()


def test_an_event_loop_runs_on_it(sockets):
    calm, answer, *_ = sockets
    loop = asyncio.SelectorEventLoop(PatientSelector({calm.fileno()}))

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(sock=calm)
        for word in (b"one ", b"two ", b"three"):
            await loop.sock_sendall(answer, word)
            await asyncio.to_thread(bool)  # wakes the loop from another thread
        answer.shutdown(socket.SHUT_WR)
        heard = await reader.read()
        writer.write(b"thanks")
        await writer.drain()
        writer.close()
        return heard + await loop.sock_recv(answer, 100)

    answer.setblocking(False)
    assert loop.run_until_complete(asyncio.wait_for(talk(), 30)) == b"one two threethanks"
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
