"""FaultProxy: a TCP connection that goes wrong when a test wants it, between any client and any server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from converse_stream.testing.link import Link, Side, Spoiling

T = TypeVar("T")
_TOO_LONG = 10.0


class FaultProxy:
    """Stand between a client and a server: `with FaultProxy(server.url) as proxy: …`, `proxy.url` in its place.

    `latency` holds everything back for so many seconds, `slice` sends it in pieces of so many bytes (a slow
    reader may find several at once), `cut_after` cuts each connection when so many pieces, or without `slice` what
    the server wrote at a time, have gone to its client, `blackhole` accepts connections and lets nothing pass,
    either way, until it is False again. These can be changed, and `cut`, `reset` and `half_close` called, from any
    thread while connections are open: they hold from then on.
    """

    def __init__(
        self,
        url: str,
        *,
        latency: float = 0.0,
        slice: int | None = None,
        cut_after: int | None = None,
        blackhole: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not parts.port:
            raise ValueError("the address of the server needs a host and a port")
        self._parts = parts
        self._server = (parts.hostname, parts.port)
        self._spoiling = Spoiling(latency, slice, cut_after)
        self._spoiling.pass_nothing(blackhole)
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        if self._loop is None:
            raise RuntimeError("the proxy is not running: use it in a with block")
        return self._port

    @property
    def url(self) -> str:
        """The server's address, with the proxy's host and port."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    @property
    def latency(self) -> float:
        """Seconds that everything is held back."""
        return self._spoiling.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._spoiling.latency = seconds

    @property
    def slice(self) -> int | None:
        """Bytes in a piece; None for as they come."""
        return self._spoiling.slice

    @slice.setter
    def slice(self, size: int | None) -> None:
        self._spoiling.slice = size

    @property
    def cut_after(self) -> int | None:
        """Pieces towards the client that a connection lasts for; None for any number."""
        return self._spoiling.cut_after

    @cut_after.setter
    def cut_after(self, pieces: int | None) -> None:
        self._spoiling.cut_after = pieces

    @property
    def blackhole(self) -> bool:
        """Whether nothing passes."""
        return not self._spoiling.passing.is_set()

    @blackhole.setter
    def blackhole(self, nothing_passes: bool) -> None:
        self._do(self._pass_nothing(nothing_passes))

    def cut(self) -> int:
        """Close the connections that are open now, on both sides (FIN). Return how many."""
        return self._do(self._end(reset=False))

    def reset(self) -> int:
        """Reset the connections that are open now, on both sides (RST). Return how many."""
        return self._do(self._end(reset=True))

    def half_close(self, towards: Side = "client") -> int:
        """Tell one side that nothing more comes (FIN); what it sends still passes. Return how many were told."""
        return self._do(self._half_close(towards))

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._loop is None:
            return
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = None

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something where the connections are, and wait until it is done."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the proxy is not running: use it in a with block")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TOO_LONG)

    async def _open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._listener.close()
        await self._end(reset=False)
        await self._listener.wait_closed()
        await asyncio.get_running_loop().shutdown_default_executor()  # it looked up the server's name

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self._spoiling, reader, writer)
        task = asyncio.get_running_loop().create_task(link.run(*self._server))
        self._links[link] = task
        task.add_done_callback(lambda _: self._forget(link, writer))

    def _forget(self, link: Link, writer: asyncio.StreamWriter) -> None:
        del self._links[link]
        writer.transport.abort()

    async def _pass_nothing(self, nothing: bool) -> None:
        self._spoiling.pass_nothing(nothing)

    async def _end(self, *, reset: bool) -> int:
        links = dict(self._links)
        for link, task in links.items():
            link.end(reset=reset)
            task.cancel()
        if links:
            await asyncio.wait(links.values())
        return len(links)

    async def _half_close(self, towards: Side) -> int:
        return sum([await link.half_close(towards) for link in list(self._links)])
