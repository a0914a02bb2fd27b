"""Viewers, and what they have seen."""

from __future__ import annotations

from collections.abc import Generator
from inspect import getgeneratorlocals

from converse_stream.events import Event
from converse_stream.feed import batches
from converse_stream.models import Message
from tests.simulation.oracle import Answer, Unit, units, units_of
from tests.simulation.processes import Process


class Viewing:
    """What one viewer has seen of a message."""

    def __init__(self, answer: Answer, position: int) -> None:
        self.answer = answer
        self.origin = position
        """Where what it has begins."""
        self.seen: list[Unit] = []
        self.ending: Event | None = None
        self.is_stray = position > len(answer.stored)
        """Whether nobody gave out the position that it came with."""

    @property
    def position(self) -> int:
        return self.origin + len(self.seen)

    @property
    def cursor(self) -> str:
        return f"{self.answer.message_id}.{'end' if self.ending else self.position}"

    def forget(self, count: int) -> None:
        """Go back: this many units were on their way when the connection broke."""
        if not self.ending:
            self.seen = self.seen[: max(0, len(self.seen) - count)]

    def take(self, event: Event) -> None:
        assert event.message_id == str(self.answer.message_id)
        if event.is_ending:
            self._end(event)
            return
        assert self.ending is None, "something came after the ending"
        if event.kind == "start":
            assert self.position == event.end == 0, "it begins again"
        elif event.kind == "reset":
            assert self.is_stray, "a position that was given out is not honoured"
            self.origin, self.seen, self.is_stray = 0, [], False
        else:
            assert event.start == self.position, "something is left out or repeated"
            self.seen += units(event.kind, event.data)
            assert event.end == self.position
            assert event.id == self.cursor

    def _end(self, event: Event) -> None:
        assert self.ending is None, "it ends twice"
        assert event.end == self.position, "it ends before everything was told"
        assert event.data["message"]["status"] == event.kind
        assert units_of(event.data["message"]["parts"])[self.origin :] == self.seen
        self.ending = event
        assert event.id == self.cursor

    def check(self) -> None:
        """What was seen is stored."""
        if not self.answer.is_deleted:
            assert self.answer.stored[self.origin : self.position] == self.seen, "something was seen that is not stored"
            assert not self.ending or self.ending.kind == (self.answer.ending or {}).get("status")


class Onlooker:
    """A viewer, connected to a process or not."""

    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing
        self.process: Process | None = None
        self.is_over = False
        self._batches: Generator[list[Event], None, None] | None = None
        self._waits = False

    def join(self, process: Process) -> None:
        """Come, or come back, with its cursor."""
        message = Message.objects.filter(pk=self.viewing.answer.message_id).first()
        if message is None:
            assert self.viewing.answer.is_deleted
            self.is_over = True
            return
        self.process = process
        self._batches = batches(message, self.viewing.cursor, beat=0)

    def look(self, most: int = 1_000_000) -> bool:
        """Take what there is; return whether there was anything. What is beyond `most` events is lost on the way."""
        if self._batches is None:
            return False
        try:
            events = next(self._batches)
        except Message.DoesNotExist:
            assert self.viewing.answer.is_deleted, "a message is said to be deleted that is there"
            self.is_over = True
            self.leave()
            return False
        for event in events[:most]:
            self.viewing.take(event)
        self._waits = not events
        if self.viewing.ending:
            self.is_over = next(self._batches, None) is None
            assert self.is_over, "something comes after the ending"
        if self.is_over or len(events) > most:
            self.leave()
        return bool(events)

    def leave(self) -> None:
        if self._batches is not None:
            self._batches.close()
        self._batches = self.process = None
        self._waits = False

    def check(self) -> None:
        self.viewing.check()
        if self._waits and self._batches is not None:
            viewer = getgeneratorlocals(self._batches)["viewer"]
            is_asleep = viewer.tail and viewer.tail.since(viewer.position) and not viewer.is_woken
            assert not is_asleep, "there is something to take, and nobody wakes the viewer"
