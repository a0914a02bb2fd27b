"""The runner in the web process: one background event loop for all answers, and a thread for each sync source."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from contextlib import suppress
from typing import Any

from django.db import connections

from converse_stream.generation import Generation
from converse_stream.recorder import process_recorder
from converse_stream.runners.base import Runner
from converse_stream.writer import PrismStream

_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()
_tasks: set[asyncio.Task[None]] = set()


class ThreadRunner(Runner):
    """Answers go on when the request that asked is over, under any server."""

    def submit(self, generation: Generation) -> None:
        """Start the generation in the background."""
        if generation.is_async:
            # An empty context: the caller's belongs to its request and would tie the answer to it.
            _running_loop().call_soon_threadsafe(_start, generation, context=contextvars.Context())
        else:
            name = f"converse-source-{generation.message.pk}"
            threading.Thread(target=_read, args=(generation,), name=name, daemon=True).start()


def _start(generation: Generation) -> None:
    task = asyncio.get_running_loop().create_task(_generate(generation), context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_done)


async def _generate(generation: Generation) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    # asyncio lets SystemExit and KeyboardInterrupt end the loop, and with it every other answer.
    with suppress(SystemExit, KeyboardInterrupt):
        await generation.arun(PrismStream(generation.message, process_recorder(), on_closed=interrupt))


def _done(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        task.exception()  # the stream has recorded and logged it


def _read(generation: Generation) -> None:
    stream = PrismStream(generation.message, process_recorder())
    try:
        generation.run(stream)
    except Exception:
        # The one place that a crash of a source ends in: the stream has recorded and logged it.
        if not stream.is_closed:
            raise
    finally:
        connections.close_all()


def _running_loop() -> asyncio.AbstractEventLoop:
    """Return the background loop, started when first needed and anew in each process."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="converse-loop", daemon=True).start()
        return _loop


def _forget() -> None:
    global _loop, _lock
    _loop, _lock = None, threading.Lock()
    _tasks.clear()


os.register_at_fork(after_in_child=_forget)
