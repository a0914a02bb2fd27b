"""One connection through a fault proxy: bytes are read on one side, held back, cut up and sent on the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal, TypeAlias

from converse_stream.testing.exchange import RST_ON_CLOSE

Side: TypeAlias = Literal["client", "server"]
_BLOCK = 65_536
_BLOCKS = 16
"""How many blocks a direction holds back; then its sender has to wait."""


class Spoiling:
    """What is done to everything that passes, now; the connections look at it before each piece."""

    def __init__(self, latency: float, slice: int | None, cut_after: int | None) -> None:
        self.latency = latency
        self.slice = slice
        self.cut_after = cut_after
        self.passing = asyncio.Event()
        self.passing.set()

    def pass_nothing(self, nothing: bool) -> None:
        """Stop everything, or let it go on."""
        if nothing:
            self.passing.clear()
        else:
            self.passing.set()


class _Worn(Exception):
    """As many pieces have passed as this connection lasts for."""


class Link:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, spoiling: Spoiling, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spoiling = spoiling
        self._reader = reader
        self._writers: dict[Side, asyncio.StreamWriter] = {"client": writer}
        self._finished: set[Side] = set()
        """The sides that were told that nothing more comes."""
        self._connected = asyncio.Event()
        """Set when the server's side is open, or never will be."""

    async def run(self, host: str, port: int) -> None:
        """Pass on what comes until both sides have ended. What breaks on one side breaks on the other."""
        try:
            await self._spoiling.passing.wait()
            reader, self._writers["server"] = await asyncio.open_connection(host, port)
            self._connected.set()
            async with asyncio.TaskGroup() as group:
                self._pass(group, self._reader, "server")
                self._pass(group, reader, "client")
        except* _Worn:
            self.end(reset=False)
        except* OSError:
            self._reset_on_close()
        finally:
            self._connected.set()
            await self._close()

    def end(self, *, reset: bool) -> None:
        """Choose how both sides see the end of this connection; cancelling `run` is the end."""
        if reset:
            self._reset_on_close()
        else:
            for writer in self._writers.values():
                with suppress(OSError):
                    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    async def half_close(self, towards: Side) -> bool:
        """Tell a side that nothing more comes. Return whether it did not know."""
        if self._spoiling.passing.is_set():
            await self._connected.wait()
        return self._finish(towards)

    def _finish(self, towards: Side) -> bool:
        if towards in self._finished or towards not in self._writers:
            return False
        self._finished.add(towards)
        with suppress(OSError):
            self._writers[towards].write_eof()
        return True

    def _pass(self, group: asyncio.TaskGroup, source: asyncio.StreamReader, towards: Side) -> None:
        blocks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_BLOCKS)
        group.create_task(_read(source, blocks))
        group.create_task(self._send(blocks, towards))

    async def _send(self, blocks: asyncio.Queue[tuple[float, bytes]], towards: Side) -> None:
        writer = self._writers[towards]
        writer.transport.set_write_buffer_limits(0)  # so that drain() waits until all has gone out
        sent = 0
        async for piece in self._pieces(blocks):
            if towards not in self._finished:
                writer.write(piece)
                await writer.drain()
            sent += 1
            if towards == "client" and self._spoiling.cut_after is not None and sent >= self._spoiling.cut_after:
                raise _Worn
        self._finish(towards)

    async def _pieces(self, blocks: asyncio.Queue[tuple[float, bytes]]) -> AsyncIterator[bytes]:
        """Yield what may be sent, when it may be sent."""
        loop = asyncio.get_running_loop()
        while True:
            came, block = await blocks.get()
            await asyncio.sleep(max(0.0, came + self._spoiling.latency - loop.time()))
            await self._spoiling.passing.wait()
            start = 0
            while start < len(block):
                end = start + (self._spoiling.slice or len(block))
                yield block[start:end]
                start = end
                await asyncio.sleep(0)  # the reader's turn: otherwise it finds all the pieces at once
                await self._spoiling.passing.wait()
            if not block:
                return

    def _reset_on_close(self) -> None:
        for writer in self._writers.values():
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)

    async def _close(self) -> None:
        for writer in self._writers.values():
            writer.transport.abort()
        for writer in self._writers.values():
            with suppress(OSError):
                await writer.wait_closed()


async def _read(source: asyncio.StreamReader, blocks: asyncio.Queue[tuple[float, bytes]]) -> None:
    loop = asyncio.get_running_loop()
    while block := await source.read(_BLOCK):
        await blocks.put((loop.time(), block))
    await blocks.put((loop.time(), b""))
