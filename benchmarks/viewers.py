"""Viewers that read answers to their end, cheaply, and make sure that nothing was lost."""

import asyncio
import json
import re
import socket
import time
from contextlib import closing

REQUEST = b"POST /%b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_FIRST_TEXT = re.compile(rb'"(?:content|text|delta)": ?"[^"]')


def ask_at_once(port: int, count: int, model: str, ending: bytes = b"") -> list[bytes]:
    """Let `count` viewers ask at the same time; return the bytes each was sent until its connection ended.

    A server that never ends one says so in the stream: that is the `ending`.
    """

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*[_view(port, model, ending) for _ in range(count)])

    return asyncio.run(all_of_them())


async def _view(port: int, model: str, ending: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST % model.encode())
    received = bytearray()
    try:
        while piece := await reader.read(1 << 16):
            received += piece
            if ending and ending in received[-len(piece) - len(ending) :]:
                break
    finally:
        writer.close()
    return bytes(received)


def seconds_to_first_text(port: int, model: str) -> float:
    """Ask, and return how long the first text took."""
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        received, asked = b"", time.perf_counter()
        connection.sendall(REQUEST % model.encode())
        while piece := connection.recv(1 << 16):
            received += piece
            if _FIRST_TEXT.search(received):
                seconds = time.perf_counter() - asked
                while connection.recv(1 << 16):  # to its end, so that the next answer has the server to itself
                    pass
                return seconds
    raise RuntimeError("an answer has no text")


def text_of(response: bytes) -> str:
    """Return the text that a response streamed: as native events, Chat Completions or what peers make of it."""
    pieces = []
    for line in body_of(response).split(b"\n"):
        if line.startswith(b"data: {"):
            payload = json.loads(line[6:])
            choices = payload.get("choices")
            text = choices[0]["delta"].get("content") if choices else payload.get("text") or payload.get("delta")
            pieces.append(text or "")
    return "".join(pieces)


def body_of(response: bytes) -> bytes:
    """Return what came behind the head, put together if it came in chunks."""
    head, _, rest = response.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return bytes(body)
