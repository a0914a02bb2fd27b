"""Progress: what a crew's message says of its tasks, and what of it another run goes on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converse_stream.events import dumps
from converse_stream.models import Message, Status
from converse_stream.models.history import tool_steps

TASK = "task"
"""The name of the data parts of a crew's message that say which task began, and which is done."""


@dataclass(frozen=True, slots=True)
class Done:
    """A task that has been done."""

    message: Message
    """Its agent's."""

    @property
    def result(self) -> str:
        """What came of it, as the tasks after it are told."""
        return result_of(self.message)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a crew has come."""

    done: Sequence[Done] = ()
    said: Sequence[Mapping[str, Any]] = ()
    """The tools called, with their results, in the task that was interrupted."""

    @classmethod
    def of(cls, message: Message) -> Progress:
        """Read how far the crew of this message had come when it ended."""
        last: dict[int, Any] = {}
        for part in message.committed_parts():
            if part["type"] == "data" and part["name"] == TASK:
                last[part["value"]["index"]] = part["value"]["message"]
        turns = Message.objects.in_bulk(last.values(), field_name="pk")
        by_id = {str(pk): turn for pk, turn in turns.items()}
        done: list[Done] = []
        said: Sequence[Mapping[str, Any]] = ()
        for _, message_id in sorted(last.items()):
            turn = by_id.get(message_id)
            if turn is None or turn.status != Status.COMPLETE:
                said = tool_steps(turn) if turn else ()
                break
            done.append(Done(turn))
        return cls(done, said)


def result_of(message: Message) -> str:
    """Return the result of a task: the object, if it was to be one, else the text."""
    parsed = message.parsed
    text: str = message.content if parsed is None else dumps(parsed)
    return text
