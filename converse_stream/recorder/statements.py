"""The SQL of a commit: one statement for all messages, whatever their number, on SQLite and PostgreSQL.

Other databases go through the ORM, which needs a statement or two more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field
from django.db.models.functions import Now
from django.utils import timezone

from converse_stream.conf import settings
from converse_stream.models import Chunk, Message, Status
from converse_stream.recorder.batch import Row
from converse_stream.recorder.outbox import Outbox

ENDING = (
    "status", "live_in", "content", "parts", "metadata", "model", "finish_reason", "finish_reason_raw",
    "error_code", "error_message", "delta_count", "length", "first_delta_at", "finished_at", "duration",
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost", "timeline",
    "lease_expires_at", "updated_at",
)  # fmt: skip
"""The columns an ending writes."""
# SQLite takes 32,766 parameters.
_ROWS_A_STATEMENT = 4000
_ENDINGS_A_STATEMENT = 1000


class Statements:
    """What the recorder says to one database."""

    def __init__(self, using: str, *, lease: float | None = None) -> None:
        self.using = using
        self.lease: float = settings.LEASE if lease is None else lease
        self.is_own = lease is None
        """Whether the transactions are the recorder's own; those of an inline recorder are the site's."""
        self.connection: BaseDatabaseWrapper = connections[using]
        self.is_fast = self.connection.vendor in ("postgresql", "sqlite")
        self.table = self._quote(Message._meta.db_table)

    def fence(self, outboxes: Sequence[Outbox], *, ends: bool = False) -> set[UUID]:
        """Renew the leases of messages that are still their writers', lock their rows and return their ids.

        On PostgreSQL a row that somebody else has locked is passed over, so that it holds up nobody, and the server
        ends the transaction of a process that is frozen in the middle of it: its locks must not outlast its leases.
        Messages that are to be ended need the stronger lock: `live_in` is unique, and a site's row that refers to the
        message, in a transaction that takes its time, would hold up the UPDATE that changes it.
        """
        if not self.is_fast:
            return self._fence_by_orm(outboxes)
        ids, id_values = self._marks([self._value("id", outbox.pk) for outbox in outboxes])
        holders, holder_values = self._marks([outbox.holder for outbox in outboxes])
        found = "id"
        mine = f"status = 'streaming' AND id IN ({ids}) AND lease_holder IN ({holders})"
        if self.connection.vendor == "postgresql":
            expiry = "STATEMENT_TIMESTAMP() + %s * INTERVAL '1 second'"
            lock = "UPDATE" if ends else "NO KEY UPDATE"
            mine = f"id IN (SELECT id FROM {self.table} WHERE {mine} FOR {lock} SKIP LOCKED)"
            lease: Any = self.lease
            if self.is_own:
                found += f", SET_CONFIG('idle_in_transaction_session_timeout', '{round(self.lease * 500)}', true)"
        else:
            expiry = "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s)"
            lease = f"+{self.lease} seconds"
        sql = f"UPDATE {self.table} SET lease_expires_at = {expiry} WHERE {mine} RETURNING {found}"
        with self.connection.cursor() as cursor:
            cursor.execute(sql, [lease, *id_values, *holder_values])
            return {_uuid(row[0]) for row in cursor.fetchall()}

    def standing(self, outboxes: Sequence[Outbox]) -> dict[UUID, tuple[str, str]]:
        """Return status and error code of the messages that carry their writers' lease or ending."""
        rows = Message.objects.using(self.using).filter(pk__in=[outbox.pk for outbox in outboxes])
        rows = rows.filter(lease_holder__in=[outbox.holder for outbox in outboxes])
        return {pk: (status, code) for pk, status, code in rows.values_list("pk", "status", "error_code")}

    def insert(self, rows: Sequence[tuple[Outbox, Row]]) -> None:
        """Store chunk rows. A row that is there already is there because an earlier commit did succeed."""
        now = timezone.now()
        for first in range(0, len(rows), _ROWS_A_STATEMENT):
            self._insert(rows[first : first + _ROWS_A_STATEMENT], now)

    def _insert(self, rows: Sequence[tuple[Outbox, Row]], now: Any) -> None:
        if not self.is_fast:
            chunks = [
                Chunk(message_id=box.pk, start=row.start, end=row.end, kind=row.kind, data=row.data, created_at=now)
                for box, row in rows
            ]
            Chunk.objects.using(self.using).bulk_create(chunks, ignore_conflicts=True)
            return
        columns = ", ".join(map(self._quote, ("message_id", "start", "end", "kind", "data", "created_at")))
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows))
        at = self.connection.ops.adapt_datetimefield_value(now)
        values: list[Any] = []
        for box, row in rows:
            values += (self._value("id", box.pk), row.start, row.end, row.kind, row.data, at)
        sql = f"INSERT INTO {self._quote(Chunk._meta.db_table)} ({columns}) VALUES {marks} ON CONFLICT DO NOTHING"
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)

    def metadata(self, message_ids: Sequence[UUID]) -> dict[UUID, Any]:
        """Return the metadata of these messages, which the site may have changed since they began."""
        rows = Message.objects.using(self.using).filter(pk__in=message_ids)
        return dict(rows.values_list("pk", "metadata")) if message_ids else {}

    def end(self, messages: Sequence[Message]) -> None:
        """Write the endings of messages that the fence has locked."""
        if not self.is_fast:
            for message in messages:
                message.save(using=self.using, update_fields=list(ENDING))
            return
        for first in range(0, len(messages), _ENDINGS_A_STATEMENT):
            self._end(messages[first : first + _ENDINGS_A_STATEMENT])

    def _end(self, messages: Sequence[Message]) -> None:
        fields = [_field(name) for name in ("id", *ENDING)]
        row = "(" + ", ".join(["%s"] * len(fields)) + ")"
        values = [
            field.get_db_prep_save(field.pre_save(message, add=False), self.connection)
            for message in messages
            for field in fields
        ]
        sets = ", ".join(
            f"{self._quote(str(field.column))} = {self._cast(field, number)}"
            for number, field in enumerate(fields[1:], 2)
        )
        sql = (
            f"UPDATE {self.table} SET {sets} FROM (VALUES {', '.join([row] * len(messages))}) AS new "
            f"WHERE {self.table}.id = {self._cast(fields[0], 1)} AND {self.table}.status = 'streaming'"
        )
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)

    def _cast(self, field: Any, number: int) -> str:
        # The columns of VALUES have these names on both. PostgreSQL takes literals there for text; SQLite does not.
        column = f"new.column{number}"
        if self.connection.vendor == "postgresql":
            return f"CAST({column} AS {field.db_type(self.connection)})"
        return column

    def forget_chunks(self, message_ids: Iterable[UUID]) -> None:
        """Delete the chunks of ended messages."""
        Chunk.objects.using(self.using).filter(message_id__in=list(message_ids)).delete()

    def forget_orphans(self, message_ids: Sequence[UUID]) -> None:
        """Delete what was committed of messages while somebody deleted them."""
        there = Message.objects.using(self.using).filter(pk__in=message_ids).values_list("pk", flat=True)
        orphaned = set(message_ids).difference(there)
        if orphaned:
            self.forget_chunks(orphaned)

    def prune(self, limit: int = 50) -> int:
        """Delete the chunks of a few messages that ended `CHUNK_RETENTION` ago. Return how many there were."""
        ended = Now() - timedelta(seconds=settings.CHUNK_RETENTION)
        old = Chunk.objects.using(self.using).filter(message__finished_at__lt=ended)
        ids = list(old.order_by().values_list("message_id", flat=True).distinct()[:limit])
        if ids:
            self.forget_chunks(ids)
        return len(ids)

    def _fence_by_orm(self, outboxes: Sequence[Outbox]) -> set[UUID]:
        rows = Message.objects.using(self.using).filter(
            pk__in=[outbox.pk for outbox in outboxes],
            lease_holder__in=[outbox.holder for outbox in outboxes],
            status=Status.STREAMING,
        )
        rows.update(lease_expires_at=Now() + timedelta(seconds=self.lease))
        return set(rows.values_list("pk", flat=True))

    def _value(self, name: str, value: Any) -> Any:
        return _field(name).get_db_prep_value(value, self.connection)

    def _marks(self, values: list[Any]) -> tuple[str, list[Any]]:
        return ", ".join(["%s"] * len(values)), values

    def _quote(self, name: str) -> str:
        return self.connection.ops.quote_name(name)


def _field(name: str) -> Field[Any, Any]:
    field = Message._meta.get_field(name)
    assert isinstance(field, Field)
    return field


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
