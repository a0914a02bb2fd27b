"""The least that shows one answer to many: a bare ASGI application, one task a viewer, that keeps nothing but a list.

POST /MODEL asks and follows; GET / follows what was asked last, from its beginning.
"""

import asyncio

from benchmarks.bare import HEADERS, Receive, Scope, Send, asked


class Answer:
    """The pieces so far, and a future of the next."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_over = False
        self.news = asyncio.get_running_loop().create_future()

    async def read(self, model: str) -> None:
        async with asked(model) as reply:
            async for piece in reply.aiter_raw():
                self.pieces.append(piece)
                self._tell()
        self.is_over = True
        self._tell()

    def _tell(self) -> None:
        news, self.news = self.news, asyncio.get_running_loop().create_future()
        news.set_result(None)

    async def show(self, send: Send) -> None:
        shown = 0
        while not self.is_over or shown < len(self.pieces):
            if shown == len(self.pieces):
                await self.news
            pieces = self.pieces[shown:]
            shown += len(pieces)
            await send({"type": "http.response.body", "body": b"".join(pieces), "more_body": True})


answers: list[Answer] = []
reading: set[asyncio.Task[None]] = set()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    if scope["method"] == "POST":
        answers[:] = [Answer()]
        task = asyncio.create_task(answers[0].read(scope["path"][1:]))
        reading.add(task)
        task.add_done_callback(reading.discard)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await answers[0].show(send)
    await send({"type": "http.response.body", "body": b""})
