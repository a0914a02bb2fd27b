"""What is known of an answer in the end: what its viewers saw, what the database holds, what the provider said."""

from dataclasses import dataclass, field
from math import inf
from typing import Any


@dataclass
class Connection:
    """One response, or one socket, from its beginning to its end."""

    after: int
    """The position that the viewer came with."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Each event in full, with its `type` and `id`. One that was cut in two is none."""


@dataclass
class Viewing:
    """What one viewer saw, over all its connections."""

    kind: str
    connections: list[Connection] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    """Answers of the server that would send a browser away for good."""
    ended_at: float = 0.0


@dataclass(frozen=True)
class Row:
    """A message as the database held it at some time."""

    status: str
    error_code: str
    content: str
    parts: str
    length: int


@dataclass(frozen=True)
class Sighting:
    """When a message was first seen to be as it is."""

    at: float
    status: str


@dataclass(frozen=True)
class Call:
    """A request to the provider."""

    call: str
    question: str
    count: int
    member: str
    at: float


@dataclass
class Blow:
    """A fault as it happened."""

    target: str
    deed: str
    began: float
    ended: float = inf


@dataclass
class Answer:
    """All of it."""

    question: str
    viewings: list[Viewing] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    ended: Row | None = None
    """The row when it was first seen to have ended."""
    last: Row | None = None
    """The row when everything was over."""
    answers: int = 0
    """How many answers to the question there are."""
    calls: list[Call] = field(default_factory=list)
    was_stopped: bool = False
    """Whether somebody asked for that."""

    def viewing(self, kind: str) -> Viewing:
        """Return the record of one more viewer."""
        self.viewings.append(Viewing(kind))
        return self.viewings[-1]
