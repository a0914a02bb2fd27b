"""What the record makes of an answer, and gives to the next prompt for the same model."""

from collections.abc import Iterable
from typing import Any

from converse_stream.cleaning import clean_text, split_half
from converse_stream.events import ABOUT, TEXT_KINDS, Delta, Event, State, fold, to_part, width
from converse_stream.state import attach


def remembered(deltas: Iterable[Delta]) -> list[dict[str, Any]]:
    """Return an answer's deltas as the parts of a prompt."""
    events: list[Event] = []
    states: list[tuple[int, str, Any]] = []
    halves: dict[str, str] = {}
    position = 0
    for delta in deltas:
        if isinstance(delta, State):
            states.append((position, delta.kind, delta.data))
        elif not isinstance(delta, ABOUT):
            part = to_part(delta)
            if part["type"] in TEXT_KINDS:
                whole, halves[part["type"]] = split_half(halves.get(part["type"], "") + part["text"])
                part["text"] = clean_text(whole)
            end = position + width(part)
            data = part["text"] if part["type"] in TEXT_KINDS else part
            events.append(Event("m", part["type"], position, end, data))
            position = end
    return attach(fold(events), states)
