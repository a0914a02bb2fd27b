"""A message as a page shows it: sections of text, a note on how it ended, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from converse_stream.events import TEXT_KINDS
from converse_stream.models import Message, Role
from converse_stream.models.choices import Status
from converse_stream.models.committed import load_committed
from converse_stream.pages.branches import Node, Tree
from converse_stream.state import public_parts

NOTES: Mapping[str, str | Promise] = {
    "cancelled": gettext_lazy("Stopped."),
    "length": gettext_lazy("The answer reached its length limit."),
    "content_filter": gettext_lazy("A content filter withheld the rest."),
}
"""What is said below an answer with this status or finish reason."""
SUMMARIES: Mapping[str, str | Promise] = {
    "tool_call": gettext_lazy("Tool call: %(name)s"),
    "tool_result": gettext_lazy("Tool result: %(name)s"),
    "data": gettext_lazy("Data: %(name)s"),
}
_VALUES = {"tool_call": "arguments", "tool_result": "result"}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a message: plain text, folded away if it has a summary."""

    kind: str
    """The type of the part."""
    text: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the page."""

    message: Message
    sections: Sequence[Section]
    note: str
    """What is to be said below a message that did not simply end."""
    place: int
    """Which of the versions this is, from 1."""
    versions: int
    previous: UUID | None
    """The version before this one."""
    next: UUID | None

    @property
    def is_question(self) -> bool:
        """Whether the person said it."""
        return self.message.role == Role.USER

    @property
    def is_answer(self) -> bool:
        """Whether a model said it."""
        return self.message.role == Role.ASSISTANT

    @property
    def has_failed(self) -> bool:
        """Whether it ended with an error."""
        return self.message.status == Status.FAILED

    @property
    def can_be_retried(self) -> bool:
        """Whether it is an answer that came to no proper end."""
        return self.is_answer and self.message.status in (Status.FAILED, Status.CANCELLED)

    @property
    def can_be_regenerated(self) -> bool:
        """Whether it is a complete answer to a question."""
        return self.is_answer and self.message.status == Status.COMPLETE and self.message.parent_id is not None


def shown(tree: Tree, nodes: Sequence[Node]) -> list[Shown]:
    """Return these messages as the page shows them, the live ones as far as they are committed: four queries."""
    rows = Message.objects.filter(pk__in=[node.pk for node in nodes]).defer("timeline", "metadata")
    messages = {message.pk: message for message in rows}
    load_committed(messages.values())
    # One that is gone since the tree was read is not shown.
    return [_shown(messages[node.pk], tree.versions(node)) for node in nodes if node.pk in messages]


def _shown(message: Message, versions: Sequence[Node]) -> Shown:
    place = next(index for index, node in enumerate(versions) if node.pk == message.pk)
    return Shown(
        message,
        [_section(part) for part in public_parts(message.committed_parts())],
        _note(message),
        place=place + 1,
        versions=len(versions),
        previous=versions[place - 1].pk if place else None,
        next=versions[place + 1].pk if place + 1 < len(versions) else None,
    )


def _section(part: Mapping[str, Any]) -> Section:
    kind = part["type"]
    if kind in TEXT_KINDS:
        return Section(kind, part["text"], "" if kind == "text" else _("Thinking"))
    summary = str(SUMMARIES.get(kind, kind)) % {"name": part.get("name", "")}
    value = part.get(_VALUES.get(kind, "value"))
    return Section(kind, json.dumps(value, ensure_ascii=False, indent=2), summary)


def _note(message: Message) -> str:
    if error := message.public_error():
        return str(error["message"])
    return str(NOTES.get(message.status) or NOTES.get(message.finish_reason, ""))
