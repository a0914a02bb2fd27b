"""What can go wrong with a provider's answer: values to give to a ReplayServer, each for one request or for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice, repeat
from typing import ClassVar, Literal

from converse_stream.testing.answer import Answer, End

_BLOCK = b"x" * 65_536
_GARBAGE: Mapping[str, bytes] = {
    "json": b"data: {this is no JSON\n\n",
    "html": b"<!doctype html><title>Gateway</title><h1>It works!</h1>\n",
    "nothing": b"",
}


class Fault(ABC):
    """Something that goes wrong with an answer."""

    @abstractmethod
    def spoil(self, answer: Answer) -> Answer:
        """Return what is sent in place of `answer`."""


@dataclass(frozen=True)
class _Break(Fault):
    after: int | None = 0
    """How many pieces are sent before; None for not even a status line."""
    end: ClassVar[End]

    def spoil(self, answer: Answer) -> Answer:
        pieces = islice(answer.pieces, self.after or 0)
        return replace(answer, pieces=pieces, end=self.end, has_head=self.after is not None)


class Stall(_Break):
    """Silence, until the client leaves or the server is closed."""

    end = End.STALL


class Cut(_Break):
    """The connection is closed, without the proper end of an HTTP body."""

    end = End.CUT


class Reset(_Break):
    """The connection is reset (RST); what the client has not read by then may be lost, as with a real one."""

    end = End.RESET


@dataclass(frozen=True)
class Garbage(Fault):
    """After some pieces something else, and then the proper end of an HTTP body.

    `json` is an event that is no JSON, `html` is a page (after no pieces it is labelled as one), `nothing` ends
    the body at once, `half` sends the first half of the next piece.
    """

    kind: Literal["json", "html", "nothing", "half"] = "json"
    after: int = 0

    def spoil(self, answer: Answer) -> Answer:
        """Return the first pieces and the garbage."""
        rest = iter(answer.pieces)
        is_page = self.kind == "html" and self.after == 0
        headers = {**answer.headers, "content-type": "text/html"} if is_page else answer.headers
        return replace(answer, headers=headers, pieces=chain(islice(rest, self.after), self._instead(rest)))

    def _instead(self, rest: Iterator[bytes]) -> Iterator[bytes]:
        if self.kind == "half":
            piece = next(rest, b"")
            yield piece[: len(piece) // 2]
        else:
            yield _GARBAGE[self.kind]


@dataclass(frozen=True)
class Refusal(Fault):
    """Another HTTP status, with a body of its own, JSON unless `headers` says otherwise."""

    status: int
    body: bytes = b'{"error": {"message": "as the test asked for"}}'
    headers: Mapping[str, str] = field(default_factory=dict)
    """With lower-case names."""

    def spoil(self, answer: Answer) -> Answer:
        """Return the refusal."""
        return Answer(self.status, {"content-type": "application/json", **self.headers}, [self.body])


@dataclass(frozen=True)
class EndlessLine(Fault):
    """After some pieces a line that never ends: only the client's leaving bounds it."""

    after: int = 0

    def spoil(self, answer: Answer) -> Answer:
        """Return the first pieces and the line."""
        line = chain([b"data: "], repeat(_BLOCK))
        return replace(answer, pieces=chain(islice(answer.pieces, self.after), line))


@dataclass(frozen=True)
class EndlessAnswer(Fault):
    """The first pieces, and then the last of them for ever: only the client's leaving bounds it."""

    after: int = 1

    def spoil(self, answer: Answer) -> Answer:
        """Return the pieces and their repetition."""
        return replace(answer, pieces=_for_ever(islice(answer.pieces, self.after)))


def _for_ever(pieces: Iterable[bytes]) -> Iterator[bytes]:
    piece = b""
    for piece in pieces:
        yield piece
    if piece:
        yield from repeat(piece)
