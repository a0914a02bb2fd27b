"""A provider for benchmarks: streams the same Chat Completions answer to everybody, at a steady pace.

    python -m benchmarks.upstream PORT TOKENS PAUSE

Each token is one server-sent event and one HTTP chunk, written at its own moment, PAUSE seconds after the one before.
"""

import asyncio
import json
import sys

from benchmarks.answer import words

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    payload = {
        "id": "chatcmpl-DkV0o5cBnmPyqQhHvSgU3JxTaLZbe",
        "object": "chat.completion.chunk",
        "created": 1795257600,
        "model": "gpt-6-luna",
        "service_tier": "default",
        "system_fingerprint": "fp_62a23a81ef",
        "choices": [choice],
    }
    return http_chunk(b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n")


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream:
    """Answers every request on every connection."""

    def __init__(self, tokens: int, pause: float) -> None:
        self.pause = pause
        self.pieces = [event({"role": "assistant", "content": ""})]
        self.pieces += [event({"content": word}) for word in words(tokens)]
        self.ending = event({}, "stop") + http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"

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


async def main(port: int, tokens: int, pause: float) -> None:
    upstream = Upstream(tokens, pause)
    async with await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1000) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
