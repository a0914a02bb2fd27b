"""The one background event loop of a process, in which all its answers are written, whoever asked for them."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress

from converse_stream.generation import Generation
from converse_stream.recorder import process_recorder
from converse_stream.runners.patience import PatientSelector
from converse_stream.writer import PrismStream

_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def begin(generation: Generation) -> Future[None]:
    """Begin to write an answer. The errors of the future are on the message, as with every runner."""
    # An empty context: the caller's belongs to its request and would tie the answer to it.
    context = contextvars.Context()
    return context.run(asyncio.run_coroutine_threadsafe, _generate(generation), _running_loop())


def write(generation: Generation) -> None:
    """Write an answer, and return when it has ended."""
    with suppress(CancelledError):  # it was stopped
        begin(generation).exception()


def is_busy() -> bool:
    """Tell whether answers are being written, or what follows an ending is still being done."""
    return _loop is not None and bool(asyncio.all_tasks(_loop))


async def _generate(generation: Generation) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    stream = PrismStream(generation.message, process_recorder(), on_closed=interrupt, transforms=generation.transforms)
    # asyncio lets SystemExit and KeyboardInterrupt end the loop, and with it every other answer.
    with suppress(SystemExit, KeyboardInterrupt):
        await generation.arun(stream)


def _running_loop() -> asyncio.AbstractEventLoop:
    """Return the background loop, started when first needed and anew in each process."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.SelectorEventLoop(PatientSelector())
            threading.Thread(target=_loop.run_forever, name="converse-loop", daemon=True).start()
        return _loop


def _forget() -> None:
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
