"""Cutting: whole sentences, words or lines, wherever the text was cut on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from converse_stream.events import Event
from converse_stream.transforms.base import Transform

# Each match ends where a piece may end; the look ahead makes sure that more text cannot move that place.
_CLOSERS = "\"')\\]»\u201d\u2019"
_WIDE = "\u3002\uff01\uff1f"
_WIDE_CLOSERS = "\u300d\u300f\uff09\u201d\u2019"
SENTENCE = re.compile(
    rf"(?<![.!?…])[.!?…]++[{_CLOSERS}]*+\s++(?=\S)"
    rf"|(?<![{_WIDE}])[{_WIDE}]++[{_WIDE_CLOSERS}]*+\s*+(?=\S)"
    r"|(?<!\s)[^\S\n]*+\n\s*+(?=\S)"
)
WORD = re.compile(r"(?<!\s)\s++(?=\S)")
LINE = re.compile(r"\n")
LONGEST = 2000
"""Characters of a piece, whether or not it is whole: nobody waits for a full stop that never comes."""


class Cut(Transform):
    """Yields text in the pieces that a pattern ends. Where they end depends on the text alone."""

    changes_content = False

    def __init__(self, pattern: re.Pattern[str], *, longest: int = LONGEST) -> None:
        self._pattern = pattern
        self._longest = longest

    def begin(self) -> None:
        """Hold nothing back."""
        self._held: Event | None = None

    def text(self, event: Event) -> Iterator[Event]:
        """Yield the pieces that are whole."""
        if self._held is not None and self._held.kind != event.kind:
            yield from self.rest()
        text, start = (self._held.data, self._held.start) if self._held else ("", event.start)
        text += event.data
        begin = 0
        while end := self._end(text, begin):
            yield Event(event.message_id, event.kind, start + begin, start + end, text[begin:end])
            begin = end
        left = text[begin:]
        self._held = Event(event.message_id, event.kind, start + begin, start + len(text), left) if left else None

    def rest(self) -> Iterator[Event]:
        """Yield what was held back."""
        if self._held is not None:
            held, self._held = self._held, None
            yield held

    def _end(self, text: str, begin: int) -> int:
        """Return where the piece that begins there ends, or 0 if that is not known yet."""
        for match in self._pattern.finditer(text, begin, begin + self._longest + 1):
            if not self._goes_on(text, match):
                return match.end()
        return begin + self._longest if len(text) - begin > self._longest else 0

    def _goes_on(self, text: str, match: re.Match[str]) -> bool:
        """Whether this is no end after all: "e.g. this" is one sentence."""
        return match[0][0] == "." and "\n" not in match[0] and text[match.end()].islower()


def by_sentence() -> Transform:
    """Yield whole sentences, each with the white space behind it; a new line ends one, too."""
    return Cut(SENTENCE)


def by_word() -> Transform:
    """Yield whole words, each with the white space behind it."""
    return Cut(WORD)


def by_line() -> Transform:
    """Yield whole lines."""
    return Cut(LINE)
