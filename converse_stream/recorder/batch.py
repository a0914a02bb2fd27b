"""Batch: what one message brings to one commit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from traceback import format_tb
from typing import TYPE_CHECKING, Any

from converse_stream.events import Event
from converse_stream.exceptions import InternalError

if TYPE_CHECKING:
    from converse_stream.recorder.outbox import Outbox

logger = logging.getLogger("converse_stream")


@dataclass(slots=True)
class Row:
    """What will be one chunk: neighbouring text of one kind, or one call, result or value."""

    kind: str
    start: int
    end: int
    pieces: list[str] = field(default_factory=list)
    is_sealed: bool = False
    """Whether a commit was tried with it: it may be in the database, so that nothing can be added any more."""

    @property
    def data(self) -> str:
        """The column's value."""
        return "".join(self.pieces)


@dataclass(slots=True)
class Batch:
    """What one message brings to one commit. It stays the same when the commit has to be tried again."""

    outbox: Outbox
    events: list[Event]
    rows: list[Row]
    ending: Mapping[str, Any] | None
    waiting: list[Future[None]]
    size: int
    is_stored: bool = False
    """Whether it has been committed: whatever goes wrong after that is not the commit's fault."""

    def sealed(self) -> list[Row]:
        """Return the rows, to be tried again as they are."""
        for row in self.rows:
            row.is_sealed = True
        return self.rows

    def refuse(self, error: Exception) -> None:
        """Fail the message: the database does not take what it brings."""
        # Without the error's text: a database quotes the row it does not take.
        trace = "".join(format_tb(error.__traceback__))
        logger.error("message %s cannot be stored: %s\n%s", self.outbox.message_id, type(error).__name__, trace)
        if self.outbox.error is None:
            self.outbox.break_off(InternalError(f"it could not be stored: {type(error).__name__}"), self)
        else:
            self.outbox.close_as_lost(self)
