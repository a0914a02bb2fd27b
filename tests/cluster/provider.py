"""A provider for the cluster: speaks Chat Completions, says as many words as it is asked for, and notes each call.

    python -m tests.cluster.provider PORT CALLS

`300 words every 0.05 s` is a question; what it does not say is as here. No two calls are answered in the same words,
so a text tells which call it is from. A line of JSON in the file CALLS says so before the first word is sent.
"""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.upstream import HEAD, http_chunk

ASKED = re.compile(r"(?P<count>\d+) words(?: every (?P<pause>[\d.]+) s)?")


def words(call: str, count: int) -> list[str]:
    """Return what is said in a call, a delta each, a few characters of them not ASCII."""
    return [f"{call}:{number} " if number % 7 else f"{call}:{number} naïve \U0001f600\n" for number in range(count)]


def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    payload = {"id": "replay", "object": "chat.completion.chunk", "model": "replay", "choices": [choice]}
    return http_chunk(b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n")


class Provider:
    """Answers every request on every connection."""

    def __init__(self, calls: Path) -> None:
        self._calls = calls
        self._epoch = f"{time.time_ns() // 1_000_000 % 10**8:x}"
        self._count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                await self._answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone, or the way to it
        finally:
            writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        question = str(request["messages"][-1]["content"])
        asked = ASKED.search(question)
        count, pause = (int(asked["count"]), float(asked["pause"] or 0.05)) if asked else (300, 0.05)
        self._count += 1
        call = f"{self._epoch}.{self._count}"
        self._note(call=call, question=question, count=count, member=request["member"], at=time.time())
        writer.write(HEAD)
        for word in words(call, count):
            writer.write(chunk({"content": word}))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(chunk({}, "stop") + http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()

    def _note(self, **call: Any) -> None:
        with self._calls.open("a") as calls:
            calls.write(json.dumps(call) + "\n")


async def _request(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Return a request's JSON, with the process that its headers name; nothing when the client has left."""
    head = await reader.read(1)
    if not head:
        return {}
    lines = (head + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
    return {**body, "member": headers.get("member", "")}


async def main(port: int, calls: Path) -> None:
    async with await asyncio.start_server(Provider(calls).serve, "127.0.0.1", port, backlog=1000) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
