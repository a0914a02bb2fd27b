"""The way to a provider over HTTP: the only module that imports httpx."""

import asyncio
import json
import os
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from typing import Any, Self, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx

from converse_stream.cleaning import clean_json
from converse_stream.exceptions import (
    BadRequest,
    ConnectionFailed,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    Truncated,
)
from converse_stream.providers.deadlines import Deadlines, Timeouts
from converse_stream.providers.keys import Secret

flowing: set[int] = set()
"""The file descriptors on which answers come that have begun: whoever waits for the rest of them need not hurry."""
MAX_ERROR_BODY = 64 * 1024
MAX_WHOLE_BODY = 64 * 1024 * 1024
"""Bytes of an answer that is not streamed: 16 million characters of JSON."""
_DRAIN_SECONDS = 0.5
_HEADERS = {
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",
    "content-type": "application/json",
}

TRANSLATIONS: Mapping[type[httpx.RequestError], type[ProviderError]] = {
    httpx.TimeoutException: ProviderTimeout,
    httpx.NetworkError: ConnectionFailed,
    httpx.ProtocolError: ConnectionFailed,
    httpx.ProxyError: ConnectionFailed,
    httpx.UnsupportedProtocol: ConnectionFailed,
    httpx.RequestError: ConnectionFailed,
}
"""Our error for each of httpx: the first that matches counts."""


class Reply:
    """A response whose body is still on its way: iterate it for the bytes as they arrive."""

    def __init__(self, response: httpx.Response, deadlines: Deadlines, host: str) -> None:
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._socket = _socket_of(response)
        self._deadlines = deadlines
        self._host = host
        self._raw = cast("AsyncGenerator[bytes, None]", response.aiter_raw())
        self._is_compressed = self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
        if self._is_compressed and self.status == 200:
            raise ProtocolError(f"{host} compressed its answer although it was asked not to", status=self.status)

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def begun(self) -> None:
        """Say that the first token has arrived."""
        self._deadlines.begun()
        if self._socket is not None:
            flowing.add(self._socket)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            with self._deadlines:
                return await anext(self._raw)
        except httpx.RequestError as error:
            raise translate(error, self._host, body=True) from error

    async def read(self, limit: int = MAX_ERROR_BODY) -> bytes:
        """Return at most `limit` bytes of the body, or what could be had of it before the connection broke.

        A compressed one counts as empty: the status has to say enough.
        """
        body = bytearray()
        if self._is_compressed:
            return b""
        with suppress(ProviderError):
            async for piece in self:
                body += piece
                if len(body) >= limit:
                    break
        return bytes(body[:limit])

    async def whole(self, limit: int = MAX_WHOLE_BODY) -> bytes:
        """Return the whole body. Raise ProtocolError if it is longer than `limit`, Truncated if it breaks off."""
        body = bytearray()
        async for piece in self:
            body += piece
            if len(body) > limit:
                raise ProtocolError(f"{self._host} sent an answer of more than {limit} bytes")
        return bytes(body)

    async def drain(self) -> None:
        """Read the little that may follow a finished answer, so that the connection can be used again."""
        with suppress(TimeoutError, ProviderError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in self:
                    pass

    async def aclose(self) -> None:
        """Give up the rest of the body."""
        if self._socket is not None:
            flowing.discard(self._socket)
        await self._raw.aclose()


def _socket_of(response: httpx.Response) -> int | None:
    stream = response.extensions.get("network_stream")  # there is none in tests that replace the transport
    socket = None if stream is None else stream.get_extra_info("socket")
    return None if socket is None else cast("int", socket.fileno())


@asynccontextmanager
async def post(
    url: str, payload: Mapping[str, Any], *, headers: Mapping[str, str | Secret], timeouts: Timeouts
) -> AsyncIterator[Reply]:
    """Send `payload` as JSON and give the reply, whatever its status; leaving the block ends the exchange.

    Raise ConnectionFailed or ProviderTimeout, and BadRequest for what cannot be sent at all.
    """
    content, host = _encode(payload), urlsplit(url).hostname or ""
    deadlines = Deadlines(timeouts)
    try:
        with _translated(host), deadlines:
            response = await _client().send(_request(url, content, headers, timeouts), stream=True)
        try:
            reply = Reply(response, deadlines, host)
            try:
                yield reply
            finally:
                await reply.aclose()
        finally:
            await response.aclose()
    finally:
        deadlines.close()


def _request(url: str, content: bytes, headers: Mapping[str, str | Secret], timeouts: Timeouts) -> httpx.Request:
    return _client().build_request(
        "POST",
        url,
        content=content,
        headers={name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()},
        timeout=httpx.Timeout(timeouts.idle, connect=timeouts.connect, pool=timeouts.connect),
    )


def _encode(payload: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(clean_json(dict(payload)), ensure_ascii=False, separators=(",", ":")).encode()
    except TypeError as error:
        raise BadRequest(f"the request cannot be sent: {error}") from error


def translate(error: httpx.RequestError, host: str = "", *, body: bool = False) -> ProviderError:
    """Return our error for one of httpx; `body` says that the answer had begun."""
    if body and isinstance(error, httpx.RemoteProtocolError):
        return Truncated(f"{host} closed the connection in the middle of its answer")
    ours = next(ours for theirs, ours in TRANSLATIONS.items() if isinstance(error, theirs))
    # A LocalProtocolError quotes what it could not send, which may be a header with a key.
    detail = "" if isinstance(error, httpx.LocalProtocolError) else str(error)
    return ours(": ".join(filter(None, (host, type(error).__name__, detail))))


@contextmanager
def _translated(host: str) -> Iterator[None]:
    try:
        yield
    except httpx.RequestError as error:
        raise translate(error, host) from error
    except httpx.InvalidURL as error:
        raise BadRequest("the base_url of the provider is not a URL") from error


class _Clients(threading.local):
    """The open clients of one thread, as an event loop runs in one."""

    def __init__(self) -> None:
        self.by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, httpx.AsyncClient]] = WeakKeyDictionary()


_clients = _Clients()


def _client() -> httpx.AsyncClient:
    """Return the one client of this process and the running event loop."""
    for loop in [loop for loop in _clients.by_loop if loop.is_closed()]:
        del _clients.by_loop[loop]  # its open connections refer to the loop: weakness alone would not free it
    loop, process = asyncio.get_running_loop(), os.getpid()
    owner, client = _clients.by_loop.get(loop, (0, None))
    if client is None or owner != process:
        client = httpx.AsyncClient(
            verify=_tls(),
            follow_redirects=False,
            headers=_HEADERS,
            # As many connections as there are live answers: a limit would make one wait for another.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0),
        )
        _clients.by_loop[loop] = (process, client)
    return client


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def close() -> None:
    """Close the client of the running event loop, if it has one; the next request opens a new one."""
    _, client = _clients.by_loop.pop(asyncio.get_running_loop(), (0, None))
    if client is not None:
        await client.aclose()
