"""Viewers that read answers to their end, cheaply, and make sure that nothing was lost."""

import asyncio
import json

REQUEST = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def ask_at_once(port: int, count: int) -> list[bytes]:
    """Let `count` viewers ask at the same time; return the bytes each was sent."""

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*[_view(port) for _ in range(count)])

    return asyncio.run(all_of_them())


async def _view(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    try:
        return await reader.read()
    finally:
        writer.close()


def text_of(response: bytes) -> str:
    """Return the text that a response streamed, whether in our native events or as Chat Completions."""
    pieces = []
    for line in _body(response).split(b"\n"):
        if line.startswith(b"data: {"):
            payload = json.loads(line[6:])
            choices = payload.get("choices")
            pieces.append(choices[0]["delta"].get("content", "") if choices else payload.get("text", ""))
    return "".join(pieces)


def _body(response: bytes) -> bytes:
    head, _, rest = response.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return bytes(body)
