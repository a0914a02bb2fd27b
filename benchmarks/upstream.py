"""A provider for benchmarks: streams the same words to everybody, as many and as fast as the model's name says.

    python -m benchmarks.upstream PORT

Each delta is one server-sent event and one HTTP chunk, written at its own moment.
"""

import asyncio
import json
import sys
from functools import cache

from benchmarks.answer import answer_of
from benchmarks.formats import FORMATS

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@cache
def chunks_of(format: str, deltas: int) -> tuple[list[bytes], bytes]:
    """Return an answer's HTTP chunks, and what comes after the last pause."""
    *pieces, ending = (http_chunk(piece) for piece in FORMATS[format](deltas))
    return pieces, ending + b"0\r\n\r\n"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request on a connection."""
    try:
        while (request := await read_request(reader)) is not None:
            await answer(writer, *answer_of(json.loads(request)["model"]))
    except ConnectionError:
        pass
    finally:
        writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return await reader.readexactly(int(lengths[0].partition(b":")[2]))


async def answer(writer: asyncio.StreamWriter, format: str, deltas: int, pause: float) -> None:
    pieces, ending = chunks_of(format, deltas)
    loop = asyncio.get_running_loop()
    writer.write(HEAD)
    due = loop.time()
    for piece in pieces:
        writer.write(piece)
        due += pause
        await asyncio.sleep(due - loop.time())
    writer.write(ending)
    await writer.drain()


async def main(port: int) -> None:
    async with await asyncio.start_server(serve, "127.0.0.1", port, backlog=1000) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
