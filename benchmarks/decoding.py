"""CPU per event of each provider's wire format, above what it takes httpx to receive the bytes.

    make bench-decoding
    python -m benchmarks.decoding --events 3000 --rounds 21

A provider (a process of its own) streams STREAMS answers at once, each event at its own moment: what one at a time
costs is mostly that a process wakes up with cold caches. In each round they are read with bare httpx, with the
package's client (which watches deadlines) and with client and decoder; what counts is the median of the rounds'
differences between the last and the first. The last column is what a decoder alone takes.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

import httpx
from django.utils.module_loading import import_string

from benchmarks.answer import model
from benchmarks.formats import FORMATS
from benchmarks.processes import ELSEWHERE, SERVER, running
from converse_stream.events import Finish
from converse_stream.providers import client
from converse_stream.providers.codecs import Decoder
from converse_stream.providers.deadlines import Timeouts
from converse_stream.registry import BUILT_IN

TARGET = 20.0
"""Microseconds of CPU per event of Chat Completions."""
STREAMS = 10
PAUSE = 0.002
SPEAKERS = {
    "chat": "openai",
    "responses": "openai",
    "messages": "anthropic",
    "generate_content": "gemini",
    "ollama": "ollama",
}
"""A provider that speaks it, by format."""


def main() -> None:
    options = read_options()
    os.sched_setaffinity(0, {SERVER})
    print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; µs of CPU per event")
    print(f"{'':<18} {'httpx':>8} {'client':>8} {'decoder':>8} {'above':>8} {'least':>7} {'most':>7} {'alone':>7}")
    above = {name: compare(name, options.events, options.rounds) for name in options.format or FORMATS}
    if options.check and above.get("chat", 0.0) > TARGET:
        sys.exit(f"Chat Completions take more than {TARGET} µs")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", action="append", choices=FORMATS, help="may be given more than once")
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--check", action="store_true", help=f"fail above {TARGET} µs for Chat Completions")
    return parser.parse_args()


def compare(name: str, events: int, rounds: int) -> float:
    """Print what an event of a format costs, and return by how much it is more than to receive it."""
    with running("benchmarks.upstream", "{port}", cores=ELSEWHERE) as upstream:
        costs = asyncio.run(measure(f"http://127.0.0.1:{upstream.port}/", name, events, rounds))
    medians = [median(column) for column in zip(*costs, strict=True)]
    above = [decoded - bare for bare, _, decoded in costs]
    print(
        f"{name:<18} {medians[0]:8.1f} {medians[1]:8.1f} {medians[2]:8.1f} {median(above):8.1f}"
        f" {min(above):7.1f} {max(above):7.1f} {alone(name, events):7.1f}",
        flush=True,
    )
    return median(above)


async def measure(url: str, name: str, events: int, rounds: int) -> list[list[float]]:
    """Return what an event took in each round: with bare httpx, with the client, and with the decoder."""
    costs = []
    request = {"model": model(events, PAUSE, name)}
    async with httpx.AsyncClient() as bare:
        for _ in range(rounds + 1):
            spent = [
                await cost_of(lambda: receive(bare, url, request)),
                await cost_of(lambda: read(url, request, None)),
                await cost_of(lambda: read(url, request, decoder_of(name))),
            ]
            costs.append([seconds / STREAMS / events * 1e6 for seconds in spent])
    return costs[1:]  # the first round warms up


async def cost_of(reading: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds of CPU that reading STREAMS answers at once takes."""
    started = time.process_time()
    await asyncio.gather(*(reading() for _ in range(STREAMS)))
    return time.process_time() - started


async def receive(bare: httpx.AsyncClient, url: str, request: dict[str, str]) -> None:
    async with bare.stream("POST", url, json=request) as response:
        async for _ in response.aiter_raw():
            pass


async def read(url: str, request: dict[str, str], decoder: Decoder | None) -> None:
    deltas = []
    async with client.post(url, request, headers={}, timeouts=Timeouts()) as reply:
        async for piece in reply:
            if decoder is not None:
                deltas = decoder.feed(piece) or deltas
    if decoder is not None and not isinstance((deltas + decoder.close())[-1], Finish):
        raise RuntimeError(f"the answer has no ending: {decoder.error!r}")


def decoder_of(name: str) -> Decoder:
    codec = import_string(BUILT_IN[SPEAKERS[name]]).apis[name]
    decoder: Decoder = codec.decoder()
    return decoder


def alone(name: str, events: int) -> float:
    """Return what a decoder takes for an event, at the best of some attempts."""
    pieces, best = list(FORMATS[name](events)), float("inf")
    for _ in range(5):
        decoder, started = decoder_of(name), time.process_time()
        for piece in pieces:
            decoder.feed(piece)
        best = min(best, time.process_time() - started)
    return best / events * 1e6


if __name__ == "__main__":
    main()
