"""Signals, each sent after its commit with `message=`; a receiver that raises is logged and hurts nobody."""

from django.dispatch import Signal

stream_started = Signal()
stream_completed = Signal()
stream_failed = Signal()
stream_cancelled = Signal()

BY_STATUS = {
    "streaming": stream_started,
    "complete": stream_completed,
    "failed": stream_failed,
    "cancelled": stream_cancelled,
}
