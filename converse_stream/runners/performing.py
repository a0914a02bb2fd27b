"""Writing an answer that waited in a queue: whoever claims its row writes it, everybody else does nothing."""

from __future__ import annotations

import logging
import threading

from django.core.exceptions import ImproperlyConfigured

from converse_stream.database import release, submit
from converse_stream.exceptions import ConverseError
from converse_stream.generation import Generation
from converse_stream.models import Status
from converse_stream.models.claims import claim
from converse_stream.models.endings import announce
from converse_stream.recorder import process_recorder
from converse_stream.runners.loop import write
from converse_stream.runners.request import restore
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")


_closing = threading.Event()


def close() -> None:
    """Claim nothing more: this process is about to end. What it is still given is sent again when its wait is over."""
    _closing.set()


def perform(message_id: str) -> None:
    """Write a waiting answer and return when it has ended. Delivered twice, or after a stop, do nothing."""
    if _closing.is_set():
        logger.info("message %s is left to another process", message_id)
        return
    release()  # the answer takes long, and needs none of this thread's
    # Not here: a worker may have hundreds of threads, and each would take a connection.
    generation = submit(_take, message_id).result()
    if generation is not None:
        write(generation)


def _take(message_id: str) -> Generation | None:
    """Return what is to be written; None where there is nothing to write, or this process cannot."""
    message = claim(message_id)
    if message is None:
        logger.info("message %s waits no longer, or for a process of a newer release", message_id)
        return None
    announce(message.pk, Status.STREAMING)
    try:
        return restore(message)
    except (ConverseError, ImproperlyConfigured, KeyError, TypeError, ValueError) as error:
        # This process cannot: its settings differ from those of the one that asked.
        PrismStream(message, process_recorder()).fail(error)
    return None
