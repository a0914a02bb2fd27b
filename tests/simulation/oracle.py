"""What must be so: what the database holds, against what the providers have said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone

from converse_stream.events import TEXT_KINDS
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.models.choices import LIVE_STATUSES
from converse_stream.recorder import Outbox
from tests.simulation.processes import Process

Unit = tuple[str, str]
"""What one position holds: a kind, and a character or JSON."""
COLUMNS = (
    "status", "content", "parts", "length", "live_in_id", "lease_expires_at", "lease_holder", "claims",
    "finish_reason", "error_code", "error_message", "output_tokens", "delta_count",
)  # fmt: skip
FILLED_IN_ONCE = ("output_tokens", "delta_count")
"""What may still come after a stop: the figures of the writer that was stopped."""
happened = Counter[str]()
"""What the runs so far have come across: endings by status or error, commits that stored something, …"""
_LETTERS = "".join(map(chr, range(0x4E00, 0x9FFF))) + "".join(map(chr, range(0x1F300, 0x1F600)))


def units(kind: str, data: Any) -> list[Unit]:
    """Return the units of one event or part."""
    if kind in TEXT_KINDS:
        return [(kind, character) for character in data]
    return [(kind, json.dumps({key: data[key] for key in data if key != "state"}, sort_keys=True))]


def units_of(parts: Iterable[Mapping[str, Any]]) -> list[Unit]:
    return [unit for part in parts for unit in units(part["type"], part.get("text", part))]


@dataclass
class Writing:
    """What one writer was told by its provider."""

    process: Process | None
    outbox: Outbox
    number: int
    said: list[Unit] = field(default_factory=list)
    deltas: int = 0
    ending: str = ""
    """How it wants the message to end."""

    def say(self, kind: str, length: int) -> None:
        """Take a delta that no other position or writer has."""
        self.deltas += 1
        place = len(self.said)
        if kind in TEXT_KINDS:
            text = "".join(_LETTERS[(self.number * 997 + place + n * 7) % len(_LETTERS)] for n in range(length))
            self.outbox.text(kind, text)
            self.said += units(kind, text)
        else:
            part = {"type": "data", "name": "mark", "value": [self.number, place]}
            self.outbox.part("data", part)
            self.said += units("data", part)

    def end(self, status: str) -> None:
        fields = {"status": status, "finish_reason": "stop", "output_tokens": len(self.said)}
        if status == Status.FAILED:
            fields |= {"finish_reason": "error", "error_code": "server", "error_message": "it broke"}
        self.outbox.end(fields)
        self.ending = status

    def has_asked_for(self, row: Mapping[str, Any]) -> bool:
        """Whether this is the ending that it wanted."""
        is_broken = row["error_code"] not in ("", "server")
        return not is_broken and (self.ending, self.outbox.holder) == (row["status"], row["lease_holder"])

    def check(self, ending: Mapping[str, Any]) -> None:
        """The writer must know how its message has ended."""
        assert self.outbox.is_closed, "a writer does not know that its message has ended"
        assert not (self.outbox.lost and self.has_asked_for(ending)), "a writer does not know its own ending"


@dataclass
class Answer:
    """A message, and all that is known to have happened to it."""

    message_id: UUID
    conversation_id: UUID
    writings: list[Writing] = field(default_factory=list)
    stored: list[Unit] = field(default_factory=list)
    found: tuple[dict[str, Any], list[Any]] | None = None
    """As last read: the row and its chunks."""
    ending: dict[str, Any] | None = None
    """As first read."""
    ended_by: list[str] = field(default_factory=list)
    """Who was told to have ended it."""
    stops: int = 0
    """How often somebody has stopped it, or tried to."""
    is_deleted: bool = False
    is_expired: bool = False
    """Whether its lease was once made to run out."""

    @property
    def has_expired(self) -> bool:
        """Whether its lease had run out when it was last looked at."""
        lease = self.found[0]["lease_expires_at"] if self.found else None
        return bool(lease and lease < timezone.now())

    def check(self, row: dict[str, Any] | None, chunks: list[tuple[str, int, int, str]]) -> None:
        """Compare with what the database holds now."""
        if row is None:
            assert self.is_deleted, "a message is gone that nobody has deleted"
            return
        if (row, chunks) == self.found:
            return
        is_live = row["status"] in LIVE_STATUSES
        rows = self._units_of(chunks)
        stored = rows if is_live else units_of(row["parts"])
        assert stored[: len(self.stored)] == self.stored, "what was stored has changed"
        mine = [one for one in self.writings if one.outbox.holder == row["lease_holder"]]
        assert not stored or any(one.said[: len(stored)] == stored for one in mine), "its writer has not said this"
        assert is_live or not rows or rows == stored, "something was written after the ending"
        happened["stored"] += len(stored) > len(self.stored)
        self.stored = stored
        if is_live:
            assert self.ending is None, "what had ended is live again"
            assert row["live_in_id"] == self.conversation_id
        else:
            self._check_ending(row, stored)
        self.found = row, chunks

    @staticmethod
    def _units_of(chunks: list[tuple[str, int, int, str]]) -> list[Unit]:
        found: list[Unit] = []
        for kind, start, end, data in chunks:
            assert start == len(found), "a chunk does not begin where the last one ended"
            found += units(kind, data if kind in TEXT_KINDS else json.loads(data))
            assert end == len(found), "a chunk does not end where it says"
        return found

    def check_progress(self, writing: Writing) -> None:
        """A writer that nobody has hindered must get what it said, and how it ended, into the database."""
        if self.stops or self.is_expired or self.is_deleted:
            return
        assert self.stored == writing.said, "what was said is not stored, and nobody was in the way"
        if writing.ending:
            assert self.ending, "a writer has ended its message, and it lives"
            assert self.ending["status"] == writing.ending

    def _check_ending(self, row: dict[str, Any], stored: list[Unit]) -> None:
        if self.ending is None:
            self._check_truth(row, stored)
            self.ending = row
            happened[row["error_code"] or row["status"]] += 1
        same = [name for name in COLUMNS if row[name] == self.ending[name]]
        may_differ = set(FILLED_IN_ONCE) if self.ending["delta_count"] == 0 else set()
        assert set(COLUMNS).difference(same) <= may_differ, "an ending has changed"
        if row["delta_count"]:
            assert any((row["delta_count"] <= one.deltas) for one in self.writings)
            self.ending = row
        assert len(self.ended_by) <= 1, "two were told to have ended it"

    def _check_truth(self, row: dict[str, Any], stored: list[Unit]) -> None:
        """An ending must say what happened."""
        assert (row["live_in_id"], row["lease_expires_at"]) == (None, None)
        assert row["length"] == len(stored)
        assert row["content"] == "".join(character for kind, character in stored if kind == "text")
        asked = [one for one in self.writings if one.has_asked_for(row)]
        if row["status"] == Status.CANCELLED:
            assert self.stops, "nobody has stopped it"
        elif row["error_code"] == "worker_lost":
            assert self.has_expired, "its writer was there"
        else:
            assert any(one.said == stored for one in asked), "it is not all that was said"
            assert all(one.deltas == row["delta_count"] and len(one.said) == row["output_tokens"] for one in asked)


def read(answers: Iterable[Answer]) -> None:
    """Compare all that the database holds with what it must hold."""
    rows = {row["id"]: row for row in Message.objects.values("id", *COLUMNS)}
    chunks: dict[UUID, list[tuple[str, int, int, str]]] = {}
    for message_id, *row in Chunk.objects.order_by("message_id", "start").values_list(
        "message_id", "kind", "start", "end", "data"
    ):
        chunks.setdefault(message_id, []).append(tuple(row))
    for answer in answers:
        answer.check(rows.get(answer.message_id), chunks.get(answer.message_id, []))


def counted(answers: Iterable[Answer]) -> None:
    """Compare the conversations' counters with the messages there were."""
    begun: dict[UUID, int] = {}
    for answer in answers:
        begun[answer.conversation_id] = begun.get(answer.conversation_id, 0) + 1
    for pk, last_number in Conversation.objects.values_list("pk", "last_number"):
        assert last_number == begun[pk]
    for pk, number in Message.objects.values_list("conversation_id", "number"):
        assert 1 <= number <= begun[pk]
