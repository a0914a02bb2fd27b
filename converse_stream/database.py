"""Database work away from event loops: a few threads for the whole process, each with its own connection."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from converse_stream.conf import settings

logger = logging.getLogger("converse_stream")
P = ParamSpec("P")
T = TypeVar("T")

IDLE = 5.0
"""Seconds without work after which the threads close their connections: to make one costs more than most jobs."""
_THREADS = {"database": 4, "afterwards": 1}
_pools: dict[str, _Pool] = {}
_lock = threading.Lock()


class _Pool:
    """Threads that keep their connections from one job to the next, and close them when there is nothing to do."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, f"converse-{name}")
        self._used_at = 0.0
        self._timer: threading.Timer | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        self._used_at = time.monotonic()
        future = self._executor.submit(_job, work)
        if self._timer is None:
            self._look_in(IDLE)
        return future

    def shutdown(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._close_connections()
        self._executor.shutdown()

    def _look_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        left = self._used_at + IDLE - time.monotonic()
        if left > 0:
            self._look_in(left)
            return
        self._timer = None
        with suppress(RuntimeError):  # the process, or the pool, has ended
            self._close_connections()

    def _close_connections(self) -> None:
        """Have each thread close its own: nobody else may."""
        all_there = threading.Barrier(self._threads)
        for _ in range(self._threads):
            self._executor.submit(_close_connections, all_there)


def _close_connections(all_there: threading.Barrier) -> None:
    with suppress(threading.BrokenBarrierError):
        all_there.wait(1.0)  # so that no thread does it for two
    connections.close_all()


def _forget_pools() -> None:
    global _lock
    _lock = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_forget_pools)


def _pool(name: str) -> _Pool:
    with _lock:
        if name not in _pools:
            _pools[name] = _Pool(name, _THREADS[name])
        return _pools[name]


def submit(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Run `function` in a database thread."""
    return _pool("database").submit(partial(function, *args, **kwargs))


def afterwards(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run what a site's own code may do at length, such as signal receivers, where it holds up nobody, in order."""
    work = partial(function, *args, **kwargs)
    if settings.RUNNER == "inline":
        work()
        return
    try:
        _pool("afterwards").submit(partial(_logged, work))
    except RuntimeError:  # a process that exits takes no more jobs
        work()


def _logged(work: Callable[[], object]) -> None:
    """Do what nobody waits for."""
    try:
        work()
    except Exception:
        logger.exception("what was to follow an ending could not be done")


def _job(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        for connection in connections.all(initialized_only=True):
            _settle(connection)


def _settle(connection: Any) -> None:
    """Keep a connection for the next job, unless others wait for it in a pool or it has had its time or an error."""
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close()
    elif connection.errors_occurred or connection.settings_dict["CONN_MAX_AGE"]:
        connection.close_if_unusable_or_obsolete()
    # The server may have hung up by then: the next job finds out before it needs the connection.
    connection.health_check_enabled, connection.health_check_done = True, False


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a database thread and wait for it; with the inline runner, in the caller's own."""
    if settings.RUNNER == "inline":
        return await sync_to_async(function)(*args, **kwargs)
    return await asyncio.wrap_future(submit(function, *args, **kwargs))


def close_pools() -> None:
    """Wait for the work under way and close the threads' connections, before the process or a test ends."""
    for name, pool in list(_pools.items()):
        pool.shutdown()
        _pools.pop(name, None)


def release() -> None:
    """Give back the caller's idle connections: whoever waits for events holds none."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
