"""Jobs: what one socket has under way, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field

from converse_stream.consumers.frames import Request


@dataclass(eq=False, slots=True)
class Job:
    """One request under way."""

    request: Request
    about: str
    conversation_id: str = ""
    """The conversation that has to stay this user's, once it is known."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Jobs:
    """A subscription is under way once for each kind and thing; anything else as often as it is asked for."""

    def __init__(self) -> None:
        self._subscriptions: dict[tuple[str, str], Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._subscriptions.values()))

    def count(self, kind: str) -> int:
        """Return how many things this kind of subscription is about."""
        return sum(of == kind for of, _about in self._subscriptions)

    @property
    def is_idle(self) -> bool:
        """Whether there is no subscription."""
        return not self._subscriptions

    @property
    def others(self) -> int:
        """How many requests are under way that are no subscriptions."""
        return len(self._tasks) - len(self._subscriptions)

    def has(self, job: Job) -> bool:
        """Whether there is a subscription to the same thing."""
        return (job.request.kind, job.about) in self._subscriptions

    def subscribe(self, job: Job, work: Awaitable[None]) -> None:
        """Begin a subscription. One to the same thing ends."""
        self.unsubscribe(job.request.kind, job.about)
        self._subscriptions[job.request.kind, job.about] = job
        job.task = self.start(work)
        job.task.add_done_callback(lambda _task: self.forget(job))

    def start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Begin anything."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def unsubscribe(self, kind: str, about: str) -> None:
        """End a subscription, if there is one."""
        job = self._subscriptions.pop((kind, about), None)
        if job is not None and job.task is not None:
            job.task.cancel()

    def forget(self, job: Job) -> None:
        """Take a subscription for ended, though its task goes on for a moment."""
        if self._subscriptions.get((job.request.kind, job.about)) is job:
            del self._subscriptions[job.request.kind, job.about]

    async def end(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
