"""Database work away from event loops: four threads for the whole process, each with its own connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from converse_stream.conf import settings

P = ParamSpec("P")
T = TypeVar("T")

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)


def submit(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Run `function` in a database thread."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(4, "converse-database")
    return _pool.submit(partial(_job, partial(function, *args, **kwargs)))


def _job(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a database thread and wait for it; with the inline runner, in the caller's own."""
    if settings.RUNNER == "inline":
        return await sync_to_async(function)(*args, **kwargs)
    return await asyncio.wrap_future(submit(function, *args, **kwargs))


def close_pool() -> None:
    """Wait for the work under way and close the threads' connections, before the process or a test ends."""
    global _pool
    if _pool is not None:
        for _ in range(4):
            _pool.submit(connections.close_all)
        _pool.shutdown(wait=True)
        _pool = None


def release() -> None:
    """Give back the caller's idle connections: whoever waits for events holds none."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
