"""The recorder without a thread: it commits in the writer's own thread and transaction, so that a TestCase works."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from django.db import Error, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

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
    """One message's recorder. Its database errors reach whoever waits for a commit, and may try again.

    What is opened in a transaction can be seen and committed on that connection only, until the transaction is over.
    """

    def __init__(self) -> None:
        self._last_commit = 0.0
        self._owner: BaseDatabaseWrapper | None = None
        """The connection in whose transaction the message lies."""
        self._lock = threading.RLock()  # a signal may come in the middle of a commit

    @property
    def may_commit(self) -> bool:
        """Whether the caller's connection is one that can commit; what comes by any other waits for that one."""
        return self._owner is None or self._connection is self._owner

    def check(self) -> None:
        """Raise TransactionManagementError where the caller's transaction is broken and takes nothing more."""
        if self.may_commit:
            self._connection.validate_no_broken_transaction()

    def open(self, outbox: Outbox) -> None:
        """Begin to look after a message: its lease has to last, as nobody renews it while the source is silent."""
        if _in_event_loop():
            return
        if self._connection.in_atomic_block:
            self._owner = self._connection
            transaction.on_commit(self._release, using=self._owner.alias)
        self._statements().fence([outbox])

    def _release(self) -> None:
        # A TestCase can run this in its transaction, which goes on.
        if self._owner is not None and not self._owner.in_atomic_block:
            self._owner = None

    def note(self, outbox: Outbox) -> None:
        """Commit now and then. In a running event loop only `flush` commits, from a thread."""
        is_due = time.monotonic() - self._last_commit > settings.FLUSH_INTERVAL and not _in_event_loop()
        if is_due and self.may_commit and not self._connection.needs_rollback:
            with suppress(Error):  # the text is kept, and what waits for its commit is told
                self._write(outbox)
            self._last_commit = time.monotonic()

    def flush(self, outbox: Outbox) -> Future[None]:
        """Commit all that the outbox holds; on another connection than the message's leave it for that one."""
        if not self.may_commit:
            done: Future[None] = Future()
            done.set_result(None)
            return done
        future = outbox.flushed()
        self._write(outbox)
        self._last_commit = time.monotonic()
        return future

    def _write(self, outbox: Outbox) -> None:
        while outbox.is_dirty and not outbox.lost and not self._commit(outbox):
            time.sleep(PAUSE)  # somebody else's transaction holds the row

    def _commit(self, outbox: Outbox) -> bool:
        """Commit what there is, in order whatever the threads. Return whether it is done."""
        statements = self._statements()
        with self._lock:
            batch = outbox.take()
            try:
                again, ended = commit(statements, [batch])
            except BaseException:
                if not batch.is_stored:
                    outbox.reopen(batch)
                raise
            for batch in again:
                outbox.give_back(batch)
        if ended:
            transaction.on_commit(partial(publish_endings, ended), using=statements.using)
        return not again

    @property
    def _connection(self) -> BaseDatabaseWrapper:
        return connections[router.db_for_write(Message)]

    def _statements(self) -> Statements:
        return Statements(router.db_for_write(Message), lease=LEASE)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
