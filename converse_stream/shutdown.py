"""The end of a process: its viewers are told to come back, and its answers get time to end by themselves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from converse_stream import feed, recorder
from converse_stream.conf import settings

_hurried = threading.Event()


def begin() -> None:
    """Tell the viewers of this process to come back: whichever process then answers goes on at their cursor.

    Responses end without an ending, after which clients come back; in a dialect without cursors, whose clients would
    take that for the end of the answer, they go on.
    """
    feed.drain()


def finish(seconds: float | None = None) -> None:
    """Begin, wait for the answers under way, DRAIN_SECONDS at most, and end the others as failed with `shutdown`.

    All text is committed then. A second signal after `on_signals()` cuts the wait short.
    """
    begin()
    recorder.drain(settings.DRAIN_SECONDS if seconds is None else seconds, _hurried)
    recorder.stop()


def on_signals() -> None:
    """Begin as soon as the process gets SIGTERM or SIGINT, before the server does with it whatever it does.

    For hooks of servers, in the main thread and after the server has set its own handlers; elsewhere nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)
        if callable(previous) and not isinstance(previous, _Chained):
            signal.signal(number, _Chained(previous))


class _Chained:
    """A signal's handler in front of the server's own."""

    def __init__(self, previous: Callable[[int, FrameType | None], Any]) -> None:
        self._previous = previous
        self._is_second = False

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        if self._is_second:
            _hurried.set()
        self._is_second = True
        begin()
        return self._previous(number, frame)
