"""The recorder without a thread: it commits in the writer's own thread and transaction, so that a TestCase works."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from functools import partial

from django.db import router, transaction

from converse_stream.conf import settings
from converse_stream.models import Message
from converse_stream.models.endings import publish_endings
from converse_stream.recorder.commit import commit
from converse_stream.recorder.outbox import Outbox
from converse_stream.recorder.statements import Statements

LEASE = 600.0
"""Seconds."""
PAUSE = 0.05


class InlineRecorder:
    """One message's recorder. Its database errors reach the writer."""

    def __init__(self) -> None:
        self._last_commit = 0.0

    def open(self, outbox: Outbox) -> None:
        """Begin to look after a message: its lease has to last, as nobody renews it while the source is silent."""
        if not _in_event_loop():
            self._statements().fence([outbox])

    def note(self, outbox: Outbox) -> None:
        """Commit now and then. In a running event loop only `flush` commits, from a thread."""
        if time.monotonic() - self._last_commit > settings.FLUSH_INTERVAL and not _in_event_loop():
            self._write(outbox)

    def flush(self, outbox: Outbox) -> Future[None]:
        """Commit all that the outbox holds."""
        future = outbox.flushed()
        self._write(outbox)
        return future

    def _write(self, outbox: Outbox) -> None:
        statements = self._statements()
        is_due = outbox.is_dirty
        while is_due and not outbox.lost:
            again, ended = commit(statements, [outbox.take()])
            if ended:
                transaction.on_commit(partial(publish_endings, ended), using=statements.using)
            for batch in again:
                outbox.give_back(batch)
                time.sleep(PAUSE)  # somebody else's transaction holds the row
            is_due = bool(again)
        self._last_commit = time.monotonic()

    def _statements(self) -> Statements:
        return Statements(router.db_for_write(Message), lease=LEASE)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
