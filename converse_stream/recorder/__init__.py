"""The write path's last step: what live messages say becomes rows, for all of them in one commit."""

from __future__ import annotations

import atexit
import os
import threading

from django.db import connections, router

from converse_stream.brokers import local
from converse_stream.conf import settings
from converse_stream.models import Message
from converse_stream.recorder.ending import failure, fill_in
from converse_stream.recorder.inline import InlineRecorder
from converse_stream.recorder.outbox import Outbox
from converse_stream.recorder.recorder import Recorder

__all__ = ["InlineRecorder", "Outbox", "Recorder", "failure", "fill_in", "get_recorder", "process_recorder", "stop"]

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
            atexit.register(stop)
        return _recorder


def stop() -> None:
    """End what this process still writes as `shutdown` and commit everything."""
    if _recorder is not None:
        _recorder.stop()


def _forget() -> None:
    global _recorder, _lock
    _recorder, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
