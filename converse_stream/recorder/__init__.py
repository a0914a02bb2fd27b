"""The write path's last step: what live messages say becomes rows, for all of them in one commit."""

from __future__ import annotations

import atexit
import os
import threading
import time

from django.db import connections, router

from converse_stream.brokers import configured, local
from converse_stream.conf import settings
from converse_stream.models import Message
from converse_stream.recorder.ending import failure, fill_in
from converse_stream.recorder.inline import InlineRecorder
from converse_stream.recorder.outbox import Outbox
from converse_stream.recorder.recorder import Recorder
from converse_stream.recorder.statements import Statements

__all__ = [
    "InlineRecorder",
    "Outbox",
    "Recorder",
    "Statements",
    "drain",
    "failure",
    "fill_in",
    "get_recorder",
    "process_recorder",
    "stop",
    "writing",
]

DRAIN_BEAT = 0.05
"""Seconds between two looks at whether a process that ends still writes."""

_recorder: Recorder | None = None
_lock = threading.Lock()


def get_recorder() -> Recorder | InlineRecorder:
    """Return the process's recorder, or one without a thread inside a transaction and with the inline runner."""
    if settings.RUNNER == "inline" or connections[router.db_for_write(Message)].in_atomic_block:
        return InlineRecorder()
    return process_recorder()


def process_recorder() -> Recorder:
    """Return the recorder that has a thread of its own."""
    global _recorder
    with _lock:
        if _recorder is None:
            _recorder = Recorder()
            local.listen(on_hint=_recorder.look_soon)
            configured()  # begins to listen
            atexit.register(stop)
        return _recorder


def drain(seconds: float, hurried: threading.Event) -> None:
    """Wait until this process writes nothing any more, so many seconds at most, or until somebody is in a hurry."""
    until = time.monotonic() + seconds
    while _recorder is not None and _recorder.is_busy and time.monotonic() < until:
        if hurried.wait(DRAIN_BEAT):
            return


def writing() -> list[str]:
    """Return the ids of the messages that this process writes."""
    return _recorder.message_ids if _recorder is not None else []


def stop() -> None:
    """End what this process still writes as `shutdown` and commit everything."""
    if _recorder is not None:
        _recorder.stop()


def _forget() -> None:
    global _recorder, _lock
    _recorder, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
