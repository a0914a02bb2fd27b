"""How long to wait for a provider."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

from converse_stream.exceptions import ProviderTimeout
from converse_stream.values import is_number

LONGEST = 604_800
"""Seconds: a week."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a provider, in seconds; None for as long as it takes."""

    connect: float | None = 10.0
    """For the connection, or for room to make one."""
    idle: float | None = 60.0
    """Between two reads; keep-alive comments are activity."""
    first_token: float | None = 60.0
    """From the request to the first text, reasoning or tool call."""
    total: float | None = 3600.0
    """From the request to the end of the answer: no sane one takes as long, but every one has to end."""

    @classmethod
    def read(cls, given: object) -> Self:
        """Return the timeouts of a provider's config. Raise ValueError for unknown names and impossible values."""
        if not isinstance(given, Mapping):
            raise ValueError(f"timeouts must be a dict, not {type(given).__name__}")
        known = [field.name for field in fields(cls)]
        for name, seconds in given.items():
            if name not in known:
                raise ValueError(f"unknown timeout {name!r}; known are {', '.join(known)}")
            if seconds is not None and not _is_duration(seconds):
                what = f"a number of seconds above 0 and at most {LONGEST:_}, or None"
                raise ValueError(f"the timeout {name!r} must be {what}, not {seconds!r:.60}")
        return cls(**given)


def _is_duration(seconds: object) -> bool:
    return is_number(seconds, 0, LONGEST) and seconds != 0


class Deadlines:
    """The moments at which an answer is too late, counted from now on the running event loop's clock.

    `with deadlines:` around each wait raises ProviderTimeout in it when a deadline passes. One timer serves all
    waits of an answer: a timeout of its own would cost each more than it takes to read a token.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        named = ((timeouts.first_token, "begun"), (timeouts.total, "finished"))
        self._moments = sorted((now + seconds, what) for seconds, what in named if seconds is not None)
        self._late = ""
        self._waiting: asyncio.Task[Any] | None = None
        self._interrupted: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._timer: asyncio.TimerHandle | None = None
        self._has_begun = False
        self._set_timer()

    def begun(self) -> None:
        """Say that the first token has arrived, so that its deadline no longer counts."""
        if not self._has_begun:
            self._has_begun = True
            self._moments = [(when, what) for when, what in self._moments if what != "begun"]
            self._set_timer()

    def close(self) -> None:
        """Stop the clock."""
        self._moments = []
        self._set_timer()

    def __enter__(self) -> None:
        if self._late:
            raise self._error()
        self._waiting = asyncio.current_task()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._waiting = None
        if self._interrupted is None:
            return
        task, self._interrupted = self._interrupted, None
        # Somebody else may want the task to end as well; then it does.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._error() from error

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._moments[0][0], self._pass) if self._moments else None

    def _pass(self) -> None:
        self._late = self._moments[0][1]
        if self._waiting is not None:
            self._interrupted, self._cancelling = self._waiting, self._waiting.cancelling()
            self._waiting.cancel()

    def _error(self) -> ProviderTimeout:
        return ProviderTimeout(f"the answer had not {self._late} at its deadline")
