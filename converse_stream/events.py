"""What can happen in a message: deltas (as a source sends them), events (as a viewer gets them), parts (as stored).

A message is a line of units: each character of text and reasoning is one, each tool call, tool result
and data value is one. An event covers the positions `[start, end)`; positions do not depend on how the
text was cut or merged on the way.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, cast

TEXT_KINDS = frozenset({"text", "reasoning"})
CONTENT_KINDS = TEXT_KINDS | {"tool_call", "tool_result", "data"}
ENDINGS = frozenset({"complete", "failed", "cancelled"})
END = "end"
"""The position of an ending in a cursor: `<message id>.end`."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's visible thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete request to run a tool."""

    id: str
    name: str
    arguments: Any
    """The parsed arguments; None when the model wrote invalid JSON."""
    raw: str = ""
    """The arguments exactly as the model wrote them."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered."""

    id: str
    name: str
    result: Any
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """A named JSON value beside the text: progress, a citation, a status."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them; None where it does not say."""

    input_tokens: int | None = None
    """Of the whole prompt."""
    output_tokens: int | None = None
    """Of the whole answer, thinking included."""
    cached_tokens: int | None = None
    """Those of the prompt that were read from a cache."""
    reasoning_tokens: int | None = None
    """Those of the answer that were thinking."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The proper ending of an answer."""

    reason: str
    """One of stop, length, tool_calls, content_filter, error, cancelled."""
    raw: str = ""
    """The provider's own word for it."""


@dataclass(frozen=True, slots=True)
class Served:
    """Who answered: the model as the provider names it, and the provider's id of the request."""

    model: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """A provider's opaque blob (a signature, encrypted reasoning) that it wants back unchanged with the next prompt.

    It belongs to the part of its kind that has just been written, or stands for one that shows nothing.
    """

    kind: str
    """text, reasoning or tool_call."""
    data: Any


Content: TypeAlias = Text | Reasoning | ToolCall | ToolResult | Data
Delta: TypeAlias = Content | Usage | Finish | Served | State
ABOUT = (Usage, Finish, Served)
"""The deltas that say something of the answer as a whole."""

_DELTAS: dict[str, type[Delta]] = {
    "text": Text,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "data": Data,
    "usage": Usage,
    "finish": Finish,
    "served": Served,
    "state": State,
}
KIND_OF: dict[type[Delta], str] = {delta: kind for kind, delta in _DELTAS.items()}


def to_delta(item: str | Delta | Mapping[str, Any]) -> Delta:
    """Return what a source yielded as a delta: a str is text, a mapping has `type` and the delta's fields."""
    if type(item) in KIND_OF:
        return cast("Delta", item)
    if isinstance(item, str):
        return Text(item)
    if isinstance(item, Mapping):
        fields = dict(item)
        kind = fields.pop("type", None)
        if kind not in _DELTAS:
            raise TypeError(f"a source yielded a mapping of type {kind!r}; known are {', '.join(_DELTAS)}")
        return _DELTAS[kind](**fields)
    raise TypeError(f"a source yielded {type(item).__name__}; expected str, a delta or a mapping")


def to_part(content: Content) -> dict[str, Any]:
    """Return the part that stores this content. Raise TypeError for an id or a name that is no text."""
    part = {"type": KIND_OF[type(content)], **asdict(content)}
    for key in ("id", "name", "raw"):
        if not isinstance(part.get(key, ""), str):
            raise TypeError(f"the {key} of a {part['type']} must be str, not {type(part[key]).__name__}")
    if not part.get("raw", True):
        del part["raw"]
    return part


def width(part: Mapping[str, Any]) -> int:
    """Return how many positions a part takes."""
    if part["type"] in TEXT_KINDS:
        return len(part["text"])
    return 1 if part["type"] in CONTENT_KINDS else 0


_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def dumps(value: Any) -> str:
    """Return JSON on one line with sorted keys."""
    return _encoder.encode(value)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a message, as a viewer gets it."""

    message_id: str
    kind: str
    """start, text, reasoning, tool_call, tool_result, data, reset, complete, failed or cancelled."""
    start: int
    end: int
    data: Any
    """str for text and reasoning; the part for calls, results and data; `{"message", "error"?}` for the rest."""
    frames: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """The encoded event by dialect: it is encoded once for all its viewers."""

    @property
    def is_ending(self) -> bool:
        """Whether nothing follows in this message."""
        return self.kind in ENDINGS

    @property
    def id(self) -> str:
        """The cursor to continue after this event."""
        return f"{self.message_id}.{END if self.is_ending else self.end}"

    @property
    def text(self) -> str:
        """The text of a text event, the empty string for any other."""
        return self.data if self.kind == "text" else ""

    def since(self, position: int) -> "Event":
        """Return what of this event lies at or after `position`, which is inside it."""
        if position <= self.start:
            return self
        return Event(self.message_id, self.kind, position, self.end, self.data[position - self.start :])


def merge(events: Iterable[Event], limit: int = 262_144) -> Iterator[Event]:
    """Join neighbouring texts, and neighbouring reasonings, into events of at most about `limit` characters."""
    run: list[Event] = []
    for event in events:
        joins = run and event.kind == run[0].kind and event.kind in TEXT_KINDS and event.end - run[0].start <= limit
        if run and not joins:
            yield _join(run)
            run = []
        run.append(event)
    if run:
        yield _join(run)


def _join(run: list[Event]) -> Event:
    if len(run) == 1:
        return run[0]
    first = run[0]
    return Event(first.message_id, first.kind, first.start, run[-1].end, "".join(event.data for event in run))


def fold(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return the parts that a message's content events add up to."""
    parts: list[dict[str, Any]] = []
    for event in merge(events, limit=2**62):
        parts.append({"type": event.kind, "text": event.data} if event.kind in TEXT_KINDS else event.data)
    return parts


def unfold(message_id: str, parts: Iterable[Mapping[str, Any]], after: int = 0) -> Iterator[Event]:
    """Return the content events of stored parts from position `after` on."""
    start = 0
    for part in parts:
        end = start + width(part)
        if end > max(after, start):
            data = part["text"] if part["type"] in TEXT_KINDS else public_part(part)
            yield Event(message_id, part["type"], start, end, data).since(after)
        start = end


def public_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part without the provider's opaque state, which never leaves the server."""
    return {key: value for key, value in part.items() if key != "state"}


def text_of(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return the text parts joined: a message's plain content."""
    return "".join(part["text"] for part in parts if part["type"] == "text")
