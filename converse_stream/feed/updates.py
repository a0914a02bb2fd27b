"""Updates: what somebody who watches a conversation is told, each with the cursor to come back with after it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self
from zlib import crc32

from converse_stream.events import Event
from converse_stream.exceptions import MalformedCursor

_CURSOR = re.compile(
    r"(?P<conversation>[0-9a-f]{8})\.(?P<revision>[0-9]{1,18})\.(?P<number>[0-9]{1,9})\.(?P<title>[0-9a-f]{8}|-)"
    r"(?P<live>(?:\.[0-9]{1,9}-(?:[0-9]{1,9}|x)){0,32})\Z"
)
NOT_BEGUN = -1
"""The position in a live message of which a viewer knows only that it has to be told of it."""
_NUMBER = re.compile(r"[0-9]{1,9}\Z")


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that happened in a conversation: a message's event, or one of the conversation's own.

    Those are `message` (a new message that is finished), `conversation` (its title) and `reset` without a message
    (begin anew: everything follows).
    """

    event: Event
    cursor: str
    """Where to come back to after it."""


@dataclass(frozen=True, slots=True)
class ConversationCursor:
    """What a viewer has of a conversation: the messages up to a number as they ended, and of live ones a piece."""

    revision: int = 0
    """The conversation's, at least, when the viewer was there."""
    number: int = 0
    title: str = "-"
    """The title's checksum; "-" for a viewer that has none."""
    live: dict[int, int] = field(default_factory=dict)
    """The position in each message that had not ended, by its number."""

    @classmethod
    def parse(cls, text: str | int, conversation_id: str) -> Self:
        """Return what a cursor of this conversation stands for. Raise MalformedCursor.

        A number alone stands for the messages up to it, each as it ended; nothing, or 0, for having nothing.
        """
        given = str(text) if isinstance(text, int) and not isinstance(text, bool) else text
        if not isinstance(given, str):
            raise MalformedCursor("a cursor is a text or a number")
        if _NUMBER.match(given or "0"):
            return cls(number=int(given or "0"))
        match = _CURSOR.match(given)
        if match is None or match["conversation"] != conversation_id[:8]:
            raise MalformedCursor("the cursor is not one of this conversation")
        pairs = [pair.split("-") for pair in match["live"].split(".")[1:]]
        live = {int(number): NOT_BEGUN if position == "x" else int(position) for number, position in pairs}
        if any(number > int(match["number"]) for number in live):
            raise MalformedCursor("the cursor does not fit together")
        return cls(int(match["revision"]), int(match["number"]), match["title"], live)

    def text(self, conversation_id: str) -> str:
        """Return the cursor as a client keeps it."""
        live = "".join([f".{number}-{position if position >= 0 else 'x'}" for number, position in self.live.items()])
        return f"{conversation_id[:8]}.{self.revision}.{self.number}.{self.title}{live}"


def checksum(title: str) -> str:
    """Return what a cursor keeps of a title."""
    return f"{crc32(title.encode()):08x}"
