"""Cursors: a position in a message, alone or as `<message id>.<position>`; `end` is the place after the ending."""

from __future__ import annotations

import re

from converse_stream.events import END
from converse_stream.exceptions import MalformedCursor

AFTER_ENDING = -1
"""The position of a viewer that has seen the ending."""
_POSITION = re.compile(r"[0-9]{1,9}\Z")


def parse(cursor: int | str, message_id: str) -> int:
    """Return the position a cursor of this message stands for. Raise MalformedCursor."""
    if isinstance(cursor, int) and not isinstance(cursor, bool) and cursor >= 0:
        return cursor
    text = cursor if isinstance(cursor, str) else ""
    owner, dot, position = text.rpartition(".")
    if dot and owner != message_id:
        raise MalformedCursor("the cursor is not one of this message")
    if dot and position == END:
        return AFTER_ENDING
    if not _POSITION.match(position):
        raise MalformedCursor("a cursor is a position or <message id>.<position>")
    return int(position)
