"""What writing sync and async have in common: the outbox, what is known of the answer, and its endings."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from django.db import connections, router

from converse_stream.events import Data, Finish, Served, State, ToolCall, ToolResult, Usage, fold, to_part
from converse_stream.exceptions import DatabaseHeld, GenerationError, Shutdown, StreamClosed
from converse_stream.models import Message, Status
from converse_stream.models.contents import check_metadata
from converse_stream.outcome import Outcome, read_outcome, read_usage
from converse_stream.recorder import InlineRecorder, Outbox, Recorder, failure, fill_in, get_recorder
from converse_stream.state import attach
from converse_stream.transforms import Transform
from converse_stream.writer.transforming import Transformed

logger = logging.getLogger("converse_stream")


class BaseStream:
    """The state of a stream."""

    def __init__(
        self,
        message: Message,
        recorder: Recorder | InlineRecorder | None = None,
        *,
        on_closed: Callable[[], None] | None = None,
        transforms: Sequence[Transform] = (),
    ) -> None:
        self.message = message
        """The message being written; its id is known before the first delta."""
        self._recorder = recorder or get_recorder()
        self._outbox = Outbox(message, on_closed)
        self._transformed = Transformed(self._outbox, transforms) if transforms else None
        self.outcome = Outcome()
        """What is known of the answer besides its content."""
        self._recorder.open(self._outbox)
        weakref.finalize(self, _drop, self._recorder, self._outbox).atexit = False

    def beside(self, message: Message, *, on_closed: Callable[[], None] | None = None) -> Self:
        """Return a stream for another message, which is part of this one's work."""
        recorder = InlineRecorder() if isinstance(self._recorder, InlineRecorder) else self._recorder
        return type(self)(message, recorder, on_closed=on_closed)

    @property
    def position(self) -> int:
        """The end of all that was appended, committed or not."""
        return self._outbox.position

    @property
    def is_closed(self) -> bool:
        """Whether the message has ended, by this writer or by somebody else."""
        return self._outbox.is_closed

    @property
    def was_stopped(self) -> bool:
        """Whether somebody else has ended the message."""
        return self._outbox.lost

    @property
    def error(self) -> GenerationError | None:
        """Why the recorder itself has ended the message, if it did."""
        return self._outbox.error

    def learn(self, known: Outcome | Usage | Finish | Served) -> None:
        """Keep what is known of model, finish reason, request id or usage, for the ending."""
        self.outcome = self.outcome.updated(known)

    def parts(self) -> list[dict[str, Any]]:
        """Return the parts committed so far, with the providers' opaque state."""
        return attach(fold(self._outbox.history), self._outbox.states)

    def said(self) -> list[dict[str, Any]]:
        """Return the parts committed so far as they were before any transform."""
        return self._transformed.said() if self._transformed else self.parts()

    def keep(self, state: State, by: str) -> None:
        """Keep a provider's opaque blob for the next prompt to `by`, a `provider:model`; no viewer ever sees it."""
        if self._transformed is None or self._transformed.keeps(state):
            self._outbox.state(state.kind, {"by": by, "data": state.data})

    def _enter(self) -> None:
        """Raise StreamClosed for a stream that has had its ending; a stop by somebody else ends the block quietly."""
        if self.is_closed and not self.was_stopped:
            self._check_open()

    def _leave(self, error: BaseException | None) -> Mapping[str, Any] | None:
        """Return the ending that leaving the `with` block makes, or None where there is one already."""
        if self.is_closed:
            return None
        return self._completion() if error is None else self._failure(error)

    def _leave_without(self, trouble: Exception, error: BaseException | None, fields: Mapping[str, Any] | None) -> None:
        """Where the ending cannot be stored, let the block's own error be raised, or `trouble` if there is none."""
        if error is None or self._is_quiet(error):
            raise trouble
        error.add_note(f"message {self._outbox.message_id} could not be ended: {type(trouble).__name__}: {trouble}")
        if isinstance(trouble, DatabaseHeld) and fields and isinstance(self._recorder, Recorder):
            self._outbox.end(fields)  # the recorder stores it once the transaction is over
            self._recorder.note(self._outbox)

    def _is_quiet(self, error: BaseException | None) -> bool:
        """Whether the block ends without an exception, as somebody else has ended the message."""
        return isinstance(error, StreamClosed) and self.was_stopped

    def _completion(
        self,
        response: object = None,
        usage: object = None,
        finish_reason: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        kept = check_metadata(metadata)
        self.learn(read_outcome(response))
        if usage is not None:
            self.learn(read_usage(usage))
        if finish_reason is not None:
            self.learn(Finish(finish_reason, finish_reason))
        known = {"finish_reason": "stop", **self.outcome.columns()}
        if known["finish_reason"] == "cancelled":
            known |= {"finish_reason": "stop", "finish_reason_raw": known.get("finish_reason_raw", "cancelled")}
        return {**known, "status": Status.COMPLETE, "metadata": kept}

    def _failure(self, error: BaseException | str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        kept = check_metadata(metadata)
        if isinstance(error, BaseException) and not isinstance(error, Exception):
            error = Shutdown(f"the writer was interrupted by {type(error).__name__}")
        fields = failure(error)
        trace = error if isinstance(error, BaseException) else None
        logger.error("message %s failed: %s", self.message.pk, fields["error_code"], exc_info=trace)
        return {**self.outcome.columns(), **fields, "metadata": kept}

    def _cancellation(self) -> dict[str, Any]:
        return {**self.outcome.columns(), "status": Status.CANCELLED, "finish_reason": "cancelled"}

    def _part(self, content: object) -> dict[str, Any]:
        if not isinstance(content, ToolCall | ToolResult | Data):
            kinds = "Text, Reasoning, ToolCall, ToolResult or Data"
            raise TypeError(f"a stream writes {kinds}, not {type(content).__name__}; append() takes a str")
        return to_part(content)

    def _drained(self, fields: Mapping[str, Any], error: Exception | None) -> Mapping[str, Any]:
        """Return the ending's columns, or, where a transform has something against it, those of a failure."""
        if error is None or fields["status"] == Status.FAILED:
            return fields
        return self._failure(error)

    def _check_open(self) -> None:
        if self.is_closed:
            raise self._outbox.error or StreamClosed(f"message {self._outbox.message_id} has ended")

    def _check_endable(self) -> None:
        """Raise, before anything is taken or logged, where no ending can be written now."""
        self._check_open()
        self._check_waitable()
        if isinstance(self._recorder, InlineRecorder) and not self._recorder.may_commit:
            raise DatabaseHeld(
                f"message {self._outbox.message_id}: it is part of another thread's transaction; end it in that thread"
            )

    def _check_waitable(self) -> None:
        """Raise, before anything is taken, where the caller's own transaction keeps the recorder from committing it."""
        if isinstance(self._recorder, InlineRecorder):
            self._recorder.check()
            return
        connection = connections[router.db_for_write(Message)]
        if connection.vendor == "sqlite" and connection.in_atomic_block:
            raise DatabaseHeld(f"message {self._outbox.message_id}: on SQLite write outside of transaction.atomic()")

    def _check_stored(self) -> None:
        """After a commit: raise if what was written is not in it."""
        if self._outbox.lost:
            raise StreamClosed(f"message {self._outbox.message_id} was ended by somebody else")
        if self._outbox.error is not None:
            raise self._outbox.error

    def _ended(self) -> Message:
        self.message.__dict__.update(self._outbox.message.__dict__)
        return self.message

    def _settle(self) -> None:
        """After a stop by somebody else: add the writer's own figures to the row, once, and read it."""
        fill_in(self._outbox, self.outcome.columns())
        with suppress(Message.DoesNotExist):  # it may have been deleted
            self.message.refresh_from_db()


def _drop(recorder: Recorder | InlineRecorder, outbox: Outbox) -> None:
    """Let the lease of a stream that nobody holds any more run out: its writer is gone, as if it had been killed."""
    if isinstance(recorder, Recorder) and not outbox.is_closed:
        recorder.abandon(outbox)
        logger.warning("message %s: its stream was dropped without an ending; use `with`", outbox.message_id)
