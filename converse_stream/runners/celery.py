"""The runner that hands answers to Celery workers: a task for each answer, in any pool."""

from __future__ import annotations

import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import connections

from converse_stream import recorder
from converse_stream.conf import settings
from converse_stream.models.leases import hand_back
from converse_stream.runners.performing import close, perform
from converse_stream.runners.queue import QueueRunner, settle


# Acknowledged when it begins, not when it has ended: the row looks after what is lost, and a worker that loses Redis
# with tasks unacknowledged dies of it (kombu 5.7), with all the answers that it writes.
@shared_task(  # type: ignore[untyped-decorator] # Celery has no types
    name="converse_stream.generate", ignore_result=True, acks_late=False
)
def generate(message_id: str) -> None:
    """Write a waiting answer. In a pool of threads all answers of the process share one event loop and one recorder."""
    perform(message_id)


class CeleryRunner(QueueRunner):
    """Sends through the site's Celery application."""

    def enqueue(self, message_id: str) -> None:
        """Send the task, to the queue that `QUEUE` names."""
        generate.apply_async((message_id,), queue=settings.QUEUE)


@worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator] # as above
def drain(**signal: Any) -> None:
    """Give the answers of this process DRAIN_SECONDS: the worker waits for its tasks, however long they take.

    Those that have said nothing by then go back into the queue.
    """
    close()
    threading.Thread(target=_drain, name="converse-drain", daemon=True).start()


def _drain() -> None:
    recorder.drain(settings.DRAIN_SECONDS, threading.Event())
    try:
        hand_back(recorder.writing())
        settle()
    finally:
        recorder.stop()
        connections.close_all()
