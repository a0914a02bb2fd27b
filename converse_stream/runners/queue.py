"""What runners that hand answers to workers have in common. The message row is the truth, the queue a messenger."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from abc import abstractmethod

from django.db import connections

from converse_stream.generation import Generation
from converse_stream.models import Status
from converse_stream.models.claims import enqueue
from converse_stream.runners.base import Runner
from converse_stream.runners.request import describe
from converse_stream.runners.thread import ThreadRunner

logger = logging.getLogger("converse_stream")

_ROOM = threading.BoundedSemaphore(64)
"""Answers on their way into the queue at once: one that does not answer must not take all threads."""
_sending: set[threading.Thread] = set()


def settle(seconds: float = 5.0) -> None:
    """Wait until the queue has what it was to be told, so many seconds at most."""
    until = time.monotonic() + seconds
    for thread in list(_sending):
        thread.join(max(0.0, until - time.monotonic()))


atexit.register(settle)


class QueueRunner(Runner):
    """An answer waits as `pending` until a worker claims it; one that only this process can write is written here."""

    def prepare(self, generation: Generation) -> None:
        """Let the answer wait, if another process can write it. Raise InvalidOptions for a tool it could not find."""
        request = describe(generation)
        if request is not None:
            enqueue(generation.message, request)

    def submit(self, generation: Generation) -> None:
        """Hand the answer to the queue."""
        if generation.message.status == Status.PENDING:
            self.send(str(generation.message.pk))
        else:
            ThreadRunner().submit(generation)

    def send(self, message_id: str) -> None:
        """Hand an answer to the queue, in the background: whoever asked does not wait for a queue that is down."""
        if _ROOM.acquire(blocking=False):
            thread = threading.Thread(target=self._send, args=(message_id,), name="converse-queue", daemon=True)
            _sending.add(thread)
            thread.start()
        else:
            logger.warning("message %s: the queue does not answer; it is tried again", message_id)

    @abstractmethod
    def enqueue(self, message_id: str) -> None:
        """Have a worker call `converse_stream.runners.perform(message_id)`, soon. May raise, block and repeat."""

    def _send(self, message_id: str) -> None:
        try:
            self.enqueue(message_id)
        except Exception:
            # Whatever a queue raises: whoever looks at the message when its wait is over sends it again.
            logger.warning("message %s could not be given to the queue; it is tried again", message_id, exc_info=True)
        finally:
            _sending.discard(threading.current_thread())
            _ROOM.release()
            connections.close_all()
