"""A provider for benchmarks: streams the same answer to everybody, at a steady pace, in one of the FORMATS.

    python -m benchmarks.upstream PORT TOKENS PAUSE [FORMAT]

Each token is one server-sent event and one HTTP chunk, written at its own moment, PAUSE seconds after the one before.
"""

import asyncio
import sys

from benchmarks.formats import FORMATS

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream:
    """Answers every request on every connection."""

    def __init__(self, tokens: int, pause: float, format: str) -> None:
        self.pause = pause
        *self.pieces, ending = (http_chunk(piece) for piece in FORMATS[format](tokens))
        self.ending = ending + b"0\r\n\r\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._read_request(reader):
                await self._answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _read_request(self, reader: asyncio.StreamReader) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)
        return True

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        writer.write(HEAD)
        due = loop.time()
        for piece in self.pieces:
            writer.write(piece)
            due += self.pause
            await asyncio.sleep(due - loop.time())
        writer.write(self.ending)
        await writer.drain()


async def main(port: int, tokens: int, pause: float, format: str = "chat") -> None:
    upstream = Upstream(tokens, pause, format)
    async with await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1000) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
