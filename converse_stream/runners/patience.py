"""Patience: answers that flow are read together, some times a second, and everything else at once.

To wake up for a single token costs several times what it takes to read it. What comes meanwhile waits in its socket.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from converse_stream.providers.client import flowing

BEAT = 0.02
"""Seconds between two looks at answers that flow: none is committed more often."""
SLOW_BEAT = 0.05
"""The same while MANY flow: the commits of such a process are up to 0.1 s apart."""
MANY = 8

_Ready = list[tuple[selectors.SelectorKey, int]]


class PatientSelector(selectors.DefaultSelector):
    """Tells an event loop of data on `calm` sockets a beat after the last at the earliest, of all else as ever."""

    def __init__(self, calm: Collection[int] = flowing) -> None:
        super().__init__()
        self._calm = calm
        self._others = selectors.DefaultSelector()
        """All that is registered here, too, but what was calm then."""
        self._rest_until = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Register a file."""
        key = super().register(fileobj, events, data)
        if key.fd not in self._calm:
            self._others.register(fileobj, events)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Unregister a file."""
        with suppress(KeyError):
            self._others.unregister(fileobj)
        return super().unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change what a file is registered for."""
        with suppress(KeyError):
            self._others.modify(fileobj, events)
        return super().modify(fileobj, events, data)

    def close(self) -> None:
        """Close it."""
        self._others.close()
        super().close()

    def select(self, timeout: float | None = None) -> _Ready:
        """Return what is ready, of the calm only once it is time."""
        began = time.monotonic()
        ready = super().select(timeout)
        now = time.monotonic()
        left = self._rest_until - now
        if left > 0 and ready and all(key.fd in self._calm for key, _ in ready):
            # Whatever cannot wait ends the rest, and so does the moment for which the loop has something planned.
            self._others.select(left if timeout is None else max(0.0, min(left, began + timeout - now)))
            ready, now = super().select(0), time.monotonic()
        if now < self._rest_until:
            return [(key, mask) for key, mask in ready if key.fd not in self._calm]
        if any(key.fd in self._calm for key, _ in ready):
            self._rest_until = now + (SLOW_BEAT if len(self._calm) >= MANY else BEAT)
        return ready
