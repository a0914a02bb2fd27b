"""Outbox: what one live message has said and the database does not hold yet."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from django.utils import timezone

from converse_stream.cleaning import clean_json, clean_text, split_half
from converse_stream.conf import settings
from converse_stream.events import TEXT_KINDS, Event, dumps
from converse_stream.exceptions import GenerationError, OutputLimit, StreamClosed
from converse_stream.models import Message
from converse_stream.recorder.batch import Batch, Row
from converse_stream.recorder.ending import failure

logger = logging.getLogger("converse_stream")

ROOM = 262_144
"""Characters buffered before a writer has to wait."""
_TIMELINE = 200


class Outbox:
    """Filled by the writer, emptied by the recorder, safe to touch from any thread."""

    def __init__(self, message: Message, on_closed: Callable[[], None] | None = None) -> None:
        self.message = message
        self.message_id = str(message.pk)
        self.pk = message.pk
        self.holder = message.lease_holder
        self.on_closed = on_closed
        self.lock = threading.RLock()  # a dropped stream may be noticed in the middle of anything
        self.position = 0
        self.delta_count = 0
        self.first_delta_at: datetime | None = None
        self.limit: int = settings.MAX_OUTPUT_CHARS
        self.started = time.monotonic()
        self.renewed = self.started
        self.history: list[Event] = []
        self.timeline: list[list[int]] = []
        self.states: list[tuple[int, str, Any]] = []
        """The provider's opaque blobs by position and kind of part; they are stored with the ending."""
        self.ended_as: str | None = None
        """The status this writer gave the message, once committed."""
        self.lost = False
        """Somebody else ended the message, or took it away."""
        self.error: GenerationError | None = None
        """Why the recorder itself has to end the message."""
        self._rows: list[Row] = []
        self._size = 0
        self._state_size = 0
        self._halves: dict[str, str] = {}
        self._ending: Mapping[str, Any] | None = None
        self._waiting: list[Future[None]] = []

    @property
    def is_full(self) -> bool:
        """Whether the writer should wait for the next commit."""
        return self._size > ROOM

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to commit or anybody waiting for it."""
        return bool(self._rows or self._ending or self._waiting)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self.is_over or self._ending is not None

    @property
    def is_over(self) -> bool:
        """Whether the message has ended, and the recorder has nothing left to do."""
        return self.lost or self.ended_as is not None

    def text(self, kind: str, text: str) -> None:
        """Take a piece of text or reasoning. Raise StreamClosed or OutputLimit."""
        if not isinstance(text, str):
            raise TypeError(f"text must be str, not {type(text).__name__}")
        with self.lock:
            self._check_open()
            if not text:
                return
            self._count()
            if self._halves or not text.isascii():
                text, half = split_half(self._halves.pop(kind, "") + text)
                if half:
                    self._halves[kind] = half
            text = clean_text(text)
            room = self.limit - self.position
            self._add_text(kind, text[:room] if len(text) > room else text)
            if len(text) > room:
                raise self._over()

    def part(self, kind: str, part: dict[str, Any]) -> None:
        """Take a tool call, tool result or data value. Raise StreamClosed, or TypeError for what is no JSON."""
        data = dumps(clean_json({key: value for key, value in part.items() if key != "state"}))
        with self.lock:
            self._check_open()
            self._count()
            if self.position >= self.limit:
                raise self._over()
            self._rows.append(Row(kind, self.position, self.position + 1, [data]))
            self._size += len(data)
            self.position += 1

    def state(self, kind: str, state: Any) -> None:
        """Take a provider's opaque blob, which belongs to what was written last. Raise StreamClosed or OutputLimit."""
        cleaned = clean_json(state)
        with self.lock:
            self._check_open()
            self._state_size += len(dumps(cleaned))
            if self._state_size > self.limit:
                raise self._over()
            self.states.append((self.position, kind, cleaned))

    def end(self, fields: Mapping[str, Any]) -> Future[None]:
        """Take the ending's columns; they are committed together with the last rows."""
        with self.lock:
            self._check_open()
            for kind, half in self._halves.items():
                self._add_text(kind, clean_text(half))
            self._halves.clear()
            self._ending = fields
            return self._wait()

    def flushed(self) -> Future[None]:
        """Return a future of the moment when all that is here now is committed."""
        with self.lock:
            return self._wait()

    def take(self) -> Batch:
        """Hand over what is to be committed next."""
        with self.lock:
            rows, self._rows = self._rows, []
            waiting, self._waiting = self._waiting, []
            events = [self._event(row) for row in rows]
            return Batch(self, events, rows, self._ending, waiting, sum(len(row.data) for row in rows))

    def give_back(self, batch: Batch) -> None:
        """Take back what could not be committed yet."""
        with self.lock:
            self._rows = batch.sealed() + self._rows
            self._waiting = batch.waiting + self._waiting

    def reopen(self, batch: Batch) -> None:
        """Take back what could not be committed, the ending too: the writer is told and may try again."""
        with self.lock:
            self.give_back(batch)
            self._ending = None

    def committed(self, batch: Batch) -> None:
        """Note that a batch is in the database. May be called twice: what follows a commit may be repeated."""
        self.renewed = time.monotonic()
        if batch.is_stored:
            return
        batch.is_stored = True
        self.history += batch.events
        waiting = batch.waiting
        with self.lock:
            self._size -= batch.size
            if batch.ending is not None:
                self.ended_as = batch.ending["status"]
                self.on_closed = None  # the recorder may outlive by far what it would have stopped
                waiting, self._waiting = waiting + self._waiting, []  # no other commit will come
        _resolve(waiting)

    def break_off(self, error: GenerationError, batch: Batch | None = None) -> None:
        """End the message because of `error`, unless it is ending already; the rows of `batch` cannot be stored."""
        with self.lock:
            if batch is not None:
                self._rows, self._size = [], 0
                self.position = batch.rows[0].start if batch.rows else self.position
                self._waiting += batch.waiting
                self._ending = None
            if self.is_closed:
                return
            self.error = error
            self._ending = failure(error)
        logger.error("message %s failed: %s", self.message_id, error.code)
        self._tell()

    def close_as_lost(self, batch: Batch | None = None) -> None:
        """Note that somebody else ended the message: what is left here was never visible and is dropped."""
        with self.lock:
            self.lost = True
            waiting = self._waiting + (batch.waiting if batch else [])
            self._rows, self._size, self._waiting, self._ending = [], 0, [], None
        _resolve(waiting)
        self._tell()

    def _tell(self) -> None:
        on_closed, self.on_closed = self.on_closed, None
        if on_closed:
            on_closed()

    def _check_open(self) -> None:
        if self.is_closed:
            raise self.error or StreamClosed(f"message {self.message_id} has ended")

    def _over(self) -> OutputLimit:
        return OutputLimit(f"the answer is longer than MAX_OUTPUT_CHARS, {self.limit}")

    def _wait(self) -> Future[None]:
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # who waits may be cancelled, what is waited for goes on
        if self.is_over:
            future.set_result(None)  # no commit will come
        else:
            self._waiting.append(future)
        return future

    def _count(self) -> None:
        self.delta_count += 1
        if self.first_delta_at is None:
            self.first_delta_at = timezone.now()

    def _add_text(self, kind: str, text: str) -> None:
        if not text:
            return
        end = self.position + len(text)
        if self._rows and self._rows[-1].kind == kind and not self._rows[-1].is_sealed:
            self._rows[-1].pieces.append(text)
            self._rows[-1].end = end
        else:
            self._rows.append(Row(kind, self.position, end, [text]))
        self._size += len(text)
        self.position = end

    def _event(self, row: Row) -> Event:
        self.timeline.append([round((time.monotonic() - self.started) * 1000), row.end])
        if len(self.timeline) > _TIMELINE:
            self.timeline = self.timeline[1::2]
        data = row.data if row.kind in TEXT_KINDS else json.loads(row.data)
        return Event(self.message_id, row.kind, row.start, row.end, data)


def _resolve(waiting: list[Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
