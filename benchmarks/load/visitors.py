"""Visitors that ask and follow, and compare what each has read with what the provider has said."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load.provider import words
from benchmarks.viewers import body_of, text_of

HEADERS = "host: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n"
PATIENCE = 120.0
"""Seconds an answer may take longer than its provider speaks."""


@dataclass
class Visitors:
    """So many seats, in each of which one answer after the other is asked for and followed."""

    ports: Sequence[int]
    """Those of the web processes, which the visitors of one answer are spread over."""
    followers: int
    """Viewers of each answer."""
    tokens: int
    pause: float
    live: int = 0
    asked: int = 0
    joined: int = 0
    right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    is_over: bool = False
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def length(self) -> float:
        """Seconds that the provider speaks."""
        return self.tokens * self.pause

    def totals(self) -> dict[str, float]:
        """Return how many answers were asked for and followed so far."""
        return {"asked": self.asked, "joined": self.joined}

    async def come(self, seats: int) -> None:
        """Fill the seats, as evenly as answers end, and keep them until `is_over`."""
        async with asyncio.TaskGroup() as group:
            for seat in range(seats):
                group.create_task(self._sit(seat * self.length / seats))

    async def _sit(self, delay: float) -> None:
        await asyncio.sleep(delay)
        while not self.is_over:
            number = next(self._numbers)
            self.live += 1
            try:
                async with asyncio.timeout(self.length + PATIENCE):
                    await self._turn(number)
            except (OSError, TimeoutError) as error:
                self.wrong[type(error).__name__] += 1
            self.live -= 1

    async def _turn(self, number: int) -> None:
        ports = itertools.islice(itertools.cycle(self.ports), number % 2, None)
        asked = await self._request("POST", next(ports), f"/ask/{number}/")
        pk = body_of(asked).decode()
        if not asked.startswith(b"HTTP/1.1 200 "):
            self.wrong[asked.partition(b"\r\n")[0].decode()] += 1
            return
        self.asked += 1
        self.joined += self.followers
        paths = [self._request("GET", next(ports), f"/{pk}/") for _ in range(self.followers)]
        for response in await asyncio.gather(*paths):
            self._check(response, "".join(words(str(number), self.tokens)))

    def _check(self, response: bytes, expected: str) -> None:
        if text_of(response) != expected:
            self.wrong["another text than the provider's"] += 1
        elif b"event: complete" not in response:
            self.wrong["no ending"] += 1
        else:
            self.right += 1

    async def _request(self, method: str, port: int, path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\n{HEADERS}\r\n".encode())
            return await reader.read()
        finally:
            writer.close()
