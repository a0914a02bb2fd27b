"""Database work away from event loops: a few threads for the whole process, each with its own connection."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from converse_stream.conf import settings

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = {"database": 4, "afterwards": 1}
_pools: dict[str, ThreadPoolExecutor] = {}
_lock = threading.Lock()


def _forget_pools() -> None:
    global _lock
    _lock = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_forget_pools)


def _pool(name: str) -> ThreadPoolExecutor:
    with _lock:
        if name not in _pools:
            _pools[name] = ThreadPoolExecutor(_THREADS[name], f"converse-{name}")
        return _pools[name]


def submit(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Run `function` in a database thread."""
    return _pool("database").submit(partial(_job, partial(function, *args, **kwargs)))


def afterwards(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run what a site's own code may do at length, such as signal receivers, where it holds up nobody, in order."""
    work = partial(function, *args, **kwargs)
    if settings.RUNNER == "inline":
        work()
        return
    try:
        _pool("afterwards").submit(partial(_job, work))
    except RuntimeError:  # a process that exits takes no more jobs
        work()


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


def close_pools() -> None:
    """Wait for the work under way and close the threads' connections, before the process or a test ends."""
    for name, pool in list(_pools.items()):
        for _ in range(_THREADS[name]):
            pool.submit(connections.close_all)
        pool.shutdown(wait=True)
        _pools.pop(name, None)


def release() -> None:
    """Give back the caller's idle connections: whoever waits for events holds none."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
