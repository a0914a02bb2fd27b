"""What is written a moment after an answer has ended."""

import threading

from converse_stream.models import Attempt, Message


def finished_attempt(message: Message) -> Attempt:
    """Return the message's one attempt once its outcome is written, which is after the message's own ending."""
    pause = threading.Event()
    for _ in range(500):
        attempt = message.attempts.get()
        if attempt.outcome != Attempt.Outcome.RUNNING:
            return attempt
        pause.wait(0.02)
    raise AssertionError(f"the attempt of message {message.pk} is still running")
