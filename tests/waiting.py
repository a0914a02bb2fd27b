"""What is written a moment after an answer has ended."""

import threading
from collections.abc import Callable

from converse_stream.models import Attempt, Message


def finished_attempt(message: Message) -> Attempt:
    """Return the message's one attempt once its outcome is written, which is after the message's own ending."""
    pause = threading.Event()
    for _ in range(3000):
        attempt = message.attempts.get()
        if attempt.outcome != Attempt.Outcome.RUNNING:
            return attempt
        pause.wait(0.02)
    raise AssertionError(f"the attempt of message {message.pk} is still running")


def finished_attempts(message: Message) -> list[Attempt]:
    """Return all attempts of an ended message, in order, once their outcomes are written."""
    until(lambda: not message.attempts.filter(outcome=Attempt.Outcome.RUNNING).exists())
    return list(message.attempts.order_by("pk"))


def until(is_so: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    pause = threading.Event()
    for _ in range(round(seconds / 0.02)):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError(f"it was not so within {seconds} s")
