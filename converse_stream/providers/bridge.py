"""An async iterator for code without an event loop."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, suppress
from typing import Generic, TypeVar, cast

T = TypeVar("T")
CAPACITY = 64


def iterate(
    open: Callable[[], AsyncIterator[T]], close: Callable[[], Awaitable[object]], *, capacity: int = CAPACITY
) -> Generator[T, None, None]:
    """Yield what the async iterator of `open` yields; it runs in a thread with an event loop of its own.

    It is at most `capacity` items ahead of its consumer. A consumer that stops early closes it, and `close`
    is awaited on its loop at the end. An exception inside is raised here.
    """
    drive = _Drive(open, close, capacity)
    drive.start()
    try:
        yield from drive.items()
    finally:
        drive.stop()


class _Drive(Generic[T]):
    """The thread, its loop, and the items on their way out of it."""

    def __init__(
        self, open: Callable[[], AsyncIterator[T]], close: Callable[[], Awaitable[object]], capacity: int
    ) -> None:
        self._open = open
        self._close = close
        self._room = asyncio.Semaphore(capacity)
        self._items: queue.SimpleQueue[T | asyncio.Task[None]] = queue.SimpleQueue()
        self._running: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = queue.SimpleQueue()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="converse-provider", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._loop, self._task = self._running.get()

    def items(self) -> Iterator[T]:
        while (item := self._items.get()) is not self._task:
            yield cast(T, item)
            self._call(self._room.release)
        self._task.result()

    def stop(self) -> None:
        self._call(self._task.cancel)
        self._thread.join()
        if not self._task.cancelled():
            self._task.exception()  # seen: nobody is left to raise it to

    def _call(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: everything has been said
            self._loop.call_soon_threadsafe(callback)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            task = loop.create_task(self._pump())
            self._running.put((loop, task))
            with suppress(SystemExit, KeyboardInterrupt):  # the task holds it, and the consumer gets it
                runner.run(asyncio.wait([task]))
        self._items.put(task)

    async def _pump(self) -> None:
        try:
            async with aclosing(cast("AsyncGenerator[T, None]", self._open())) as source:
                async for item in source:
                    await self._room.acquire()
                    self._items.put(item)
        finally:
            await self._close()
