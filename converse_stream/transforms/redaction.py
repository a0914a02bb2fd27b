"""Redaction: what must not be seen is masked, wherever the text was cut on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from converse_stream.events import Event
from converse_stream.transforms.base import Transform

MASK = "█"
MOST_HELD = 65_536
"""Characters that a match may grow to before it is masked as far as it goes."""
_KEPT = frozenset({"type", "id", "name", "is_error"})
"""What of a call or a result is no content."""


class Redact(Transform):
    """Masks what a pattern matches, in text, and in the arguments, results and values of parts."""

    def __init__(self, pattern: str | re.Pattern[str], mask: str, longest: int) -> None:
        self._pattern = re.compile(pattern)
        self._mask = mask
        self._longest = longest
        self.keeps_length = len(mask) == 1

    def begin(self) -> None:
        """Hold nothing back."""
        self._before = ""
        self._held: Event | None = None

    def text(self, event: Event) -> Iterator[Event]:
        """Yield what no longer can become part of a match."""
        if self._held is not None and self._held.kind != event.kind:
            yield from self.rest()
        if self._held is not None:
            event = Event(event.message_id, event.kind, self._held.start, event.end, self._held.data + event.data)
        self._held = event
        yield from self._let_go(is_over=False)

    def rest(self) -> Iterator[Event]:
        """Yield what was held back."""
        yield from self._let_go(is_over=True)
        self._before = ""

    def part(self, event: Event) -> Event:
        """Return the part with what matches masked."""
        return Event(event.message_id, event.kind, event.start, event.end, self._masked(event.data, top=True))

    def _let_go(self, *, is_over: bool) -> Iterator[Event]:
        if self._held is None:
            return
        held, offset = self._held, len(self._before)
        # What is behind has been let go; the pattern may look back at it.
        line = self._before + held.data
        at, said = offset, []
        settled = len(line) if is_over else len(line) - self._longest
        for match in self._pattern.finditer(line, offset):
            is_settled = match.start() < settled and (match.end() < len(line) or len(line) > MOST_HELD or is_over)
            if not is_settled:
                settled = min(settled, match.start())
                break
            if match.end() > match.start():
                said += [line[at : match.start()], self._cover(match)]
                at = match.end()
        until = max(at, settled)
        said.append(line[at:until])
        yield from self._spoken(held, "".join(said), until - offset)
        self._before = line[max(0, until - self._longest) : until]

    def _spoken(self, held: Event, text: str, width: int) -> Iterator[Event]:
        middle = held.start + width
        self._held = held.since(middle) if middle < held.end else None
        if text:
            yield Event(held.message_id, held.kind, held.start, middle, text)

    def _cover(self, match: re.Match[str]) -> str:
        return self._mask * len(match[0]) if self.keeps_length else self._mask

    def _masked(self, value: Any, *, top: bool = False) -> Any:
        if isinstance(value, str):
            return self._pattern.sub(lambda match: self._cover(match) if match[0] else "", value)
        if isinstance(value, Mapping):
            return {key: item if top and key in _KEPT else self._masked(item) for key, item in value.items()}
        return [self._masked(item) for item in value] if isinstance(value, list) else value


def redact(pattern: str | re.Pattern[str], *, mask: str = MASK, longest: int = 256) -> Transform:
    """Mask what a regular expression matches, up to `longest` characters long, however it was cut.

    A mask of one character stands for each character; any other stands for the match, and is for the record only.
    """
    if isinstance(longest, bool) or not isinstance(longest, int) or not 0 < longest <= MOST_HELD:
        raise ValueError(f"longest must be a whole number from 1 to {MOST_HELD}, not {longest!r}")
    if not isinstance(mask, str):
        raise TypeError(f"mask must be str, not {type(mask).__name__}")
    return Redact(pattern, mask, longest)
