"""A crowd of viewers of one answer: what the viewers beyond the first cost a server."""

import asyncio
import time

from benchmarks.answer import model
from benchmarks.contenders import Server
from benchmarks.viewers import REQUEST

RATE, SECONDS = 100, 5
"""Deltas a second, for so long: a crowd comes, is looked at, grows, and is looked at again."""
FEW, MANY = 20, 100
WINDOW = 1.0
FOLLOW = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"


class Crowd:
    """Viewers, and how many events they were shown."""

    def __init__(self, server: Server) -> None:
        self.events = 0
        self._server = server
        self._viewers: list[asyncio.Task[None]] = []

    async def join(self, *requests: bytes) -> None:
        """Let viewers come, and wait until each was shown something."""
        self._viewers += await asyncio.gather(*[self._arrive(request) for request in requests])

    async def _arrive(self, request: bytes) -> "asyncio.Task[None]":
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        writer.write(request)
        await reader.readuntil(b"\n\n")
        return asyncio.create_task(self._view(reader, writer))

    async def _view(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1 << 16):
            self.events += piece.count(b"\n\n")
        writer.close()

    async def look(self) -> tuple[float, int]:
        """Return the CPU and the events of a while."""
        await asyncio.sleep(0.2)
        cpu, events = self._server.cpu, self.events
        await asyncio.sleep(WINDOW)
        return self._server.cpu - cpu, self.events - events

    async def leave(self) -> None:
        await asyncio.gather(*self._viewers)


async def _cost_of_another(server: Server) -> float:
    crowd = Crowd(server)
    await crowd.join(REQUEST % model(RATE * SECONDS, 1 / RATE).encode())
    await crowd.join(*[FOLLOW] * (FEW - 1))
    few_cpu, few_events = await crowd.look()
    await crowd.join(*[FOLLOW] * (MANY - FEW))
    many_cpu, many_events = await crowd.look()
    await crowd.leave()
    return (many_cpu - few_cpu) / (many_events - few_events) * 1e6


def cost_of_another(server: Server) -> float:
    """Return the microseconds of CPU that an event takes for each viewer from the 20th to the 100th."""
    cost = asyncio.run(_cost_of_another(server))
    time.sleep(0.2)
    return cost
