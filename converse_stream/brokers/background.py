"""What brokers that reach other processes have in common: a thread of their own, so that nobody ever waits for them."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

from converse_stream.brokers.base import Broker

logger = logging.getLogger("converse_stream")

BEAT = 5.0
"""Seconds between two proofs that hints still arrive."""
LOST_AFTER = 3 * BEAT
"""Seconds without any, our own included, after which the connection is made anew."""
SHORTEST, LONGEST = 0.25, 5.0
"""Seconds between two connections: the first wait, and the longest. Meanwhile hints are dropped, not kept."""
MOST = 10_000
"""Hints that may wait to be sent."""
STOP = 5.0


class BackgroundBroker(Broker):
    """`publish` only notes; the thread sends and hears, and where it cannot, it tries again later and later."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        """What our own hints are known by."""
        self.stopping = threading.Event()
        self._callback: Callable[[Iterable[str]], None] | None = None
        self._lock = threading.Lock()
        self._pending: set[str] = set()
        self._thread: threading.Thread | None = None
        self._is_resting = False
        self._is_down = False
        self._pause = SHORTEST

    def publish(self, message_ids: Iterable[str]) -> None:
        """Let the thread tell the other processes. While there is no way to, do nothing."""
        if self._is_resting:
            return
        with self._lock:
            is_first = not self._pending
            self._pending.update(message_ids)
            if len(self._pending) > MOST:
                self._pending.clear()  # nothing is being sent; whoever follows these will look for itself
            is_first = is_first and bool(self._pending)
        if is_first:
            self.wake()

    def listen(self, callback: Callable[[Iterable[str]], None]) -> None:
        """Call `callback`, in the broker's thread, with what other processes publish."""
        self._callback = callback
        self._thread = threading.Thread(target=self._run, name="converse-broker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self.stopping.set()
        self.wake()
        if self._thread is not None:
            self._thread.join(STOP)

    @abstractmethod
    def session(self) -> None:
        """Connect, call `connected`, then send what `take` returns and `hear` what comes, until `stopping` is set.

        Raise whatever ends the connection. Called in the thread, again and again.
        """

    @abstractmethod
    def wake(self) -> None:
        """Let the session look at `take` and `stopping`. Called from any thread, also without a session."""

    def connected(self) -> None:
        """Note that hints come through."""
        self._pause = SHORTEST
        if self._is_down:
            self._is_down = False
            logger.info("hints to and from other processes come through again")

    def take(self) -> set[str]:
        """Return what is to be sent."""
        with self._lock:
            pending, self._pending = self._pending, set()
        return pending

    def hear(self, sender: str, message_ids: Sequence[str]) -> None:
        """Pass on what somebody else has sent."""
        if message_ids and sender != self.token and self._callback is not None:
            self._callback(message_ids)

    def _run(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            try:
                self.session()
            except Exception as error:
                # Whatever a library raises: hints may be lost, but they come back.
                if not self._is_down:
                    self._is_down = True
                    what = "no hints to and from other processes; answers written there are looked for instead"
                    logger.warning("%s: %s: %s", what, type(error).__name__, error)
                logger.debug("the broker's connection ended", exc_info=True)
            if not self.stopping.is_set():
                self._rest(time.monotonic() - began)

    def _rest(self, lasted: float) -> None:
        """Keep away for a while, longer each time, as all processes come back at once otherwise."""
        pause = SHORTEST if lasted > LOST_AFTER else self._pause
        self._pause = min(pause * 2, LONGEST)
        self._is_resting = True
        self.take()
        self.stopping.wait(pause * random.uniform(0.75, 1.25))
        self._is_resting = False
