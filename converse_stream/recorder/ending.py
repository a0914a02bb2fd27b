"""What is written when a message ends: its columns, folded from what was committed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from converse_stream.cleaning import clean_text
from converse_stream.events import Event, fold, text_of
from converse_stream.exceptions import GenerationError
from converse_stream.models import Message, Status
from converse_stream.models.figures import figures
from converse_stream.state import attach

if TYPE_CHECKING:
    from converse_stream.recorder.batch import Batch
    from converse_stream.recorder.outbox import Outbox

_FIGURES = (
    "model", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost",
    "delta_count", "first_delta_at", "timeline",
)  # fmt: skip
_KNOWN_ONLY = ("request_id", "streamed", "cached")
"""What is known of an answer and has no column."""
_DETAIL = 2000
"""Characters of an error's text kept for staff."""


def failure(error: BaseException | str) -> dict[str, Any]:
    """Return the columns of an ending as failed."""
    code = error.code if isinstance(error, GenerationError) else "internal"
    is_ours = isinstance(error, GenerationError | str)
    detail = str(error) if is_ours else f"{type(error).__name__}: {error}"
    return {
        "status": Status.FAILED,
        "finish_reason": "error",
        "error_code": code,
        "error_message": clean_text(detail[:_DETAIL]),
    }


def ended(batch: Batch, stored: Mapping[str, Any]) -> Message:
    """Return the message as the batch that ends it leaves it; `stored` is the metadata its row has by now."""
    outbox, events = batch.outbox, batch.events
    message = copy.copy(outbox.message)
    fields = dict(batch.ending or {})
    known = {name: fields.pop(name) for name in _KNOWN_ONLY if name in fields}
    metadata = fields.pop("metadata", {})
    for name, value in fields.items():
        setattr(message, name, value)
    message.live_in = None
    message.lease_expires_at = None
    fill(message, outbox, [*outbox.history, *events])
    message.metadata = {**stored, **metadata} | figures(message, **known)
    return message


def fill(message: Message, outbox: Outbox, events: Iterable[Event]) -> None:
    """Set the content and the writer's own figures."""
    message.parts = attach(fold(events), outbox.states)
    message.content = text_of(message.parts)
    message.length = outbox.position
    message.finished_at = timezone.now()
    message.delta_count = outbox.delta_count
    message.first_delta_at = outbox.first_delta_at
    message.timeline = outbox.timeline
    if message.started_at:
        message.duration = (message.finished_at - message.started_at).total_seconds()


def fill_in(outbox: Outbox, known: Mapping[str, Any]) -> None:
    """Give a message that somebody else has cancelled its writer's figures, once."""
    rows = Message.objects.filter(pk=outbox.pk, lease_holder=outbox.holder, status=Status.CANCELLED, delta_count=0)
    message = rows.first()
    if message is None:
        return
    for name in ("model", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost"):
        setattr(message, name, known.get(name, getattr(message, name)))
    message.delta_count = outbox.delta_count
    message.first_delta_at = outbox.first_delta_at
    message.timeline = outbox.timeline
    told = {name: known[name] for name in _KNOWN_ONLY if name in known}
    message.metadata = message.metadata | figures(message, **told)
    message.save(update_fields=[*_FIGURES, "metadata"])
