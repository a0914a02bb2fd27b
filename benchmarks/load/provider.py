"""A provider that says something else in each answer, so that a word in the wrong place is noticed.

    python -m benchmarks.load.provider PORT WORDS PAUSE

It is asked for a number and says so many words, one every PAUSE seconds.
"""

import asyncio
import json
import sys

from benchmarks.upstream import HEAD, http_chunk, read_request


def words(number: str, count: int) -> list[str]:
    """Return what the answer of this number says."""
    return [f" {number}·{word}" for word in range(count)]


async def main(port: int, count: int, pause: float) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await read_request(reader)) is not None:
                await _answer(writer, words(json.loads(request)["messages"][-1]["content"], count), pause)
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port, backlog=1000) as server:
        await server.serve_forever()


async def _answer(writer: asyncio.StreamWriter, said: list[str], pause: float) -> None:
    loop = asyncio.get_running_loop()
    writer.write(HEAD)
    due = loop.time()
    for word in said:
        writer.write(_event({"content": word}))
        due += pause
        await asyncio.sleep(due - loop.time())
    writer.write(_event({}, "stop") + http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return http_chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
