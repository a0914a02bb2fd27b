"""What a transform is: events in, events out, with whatever it holds back let go at the ending."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from converse_stream.events import ENDINGS, TEXT_KINDS, Event


class Transform:
    """The base of transforms, a site's own too: override `text`, and `rest` if it holds anything back.

    One is a recipe; each stream gets a copy of its own, made by `fresh`, so what changes belongs into `begin`.
    For a viewer, text must keep its length: positions of the record are what cursors are made of.
    """

    changes_content = True
    """Whether what is said may be another; one that only cuts or delays is spared reading from the start."""
    keeps_length = True
    """Whether text keeps its length, so that it may be used for a viewer."""
    interval: float | None = None
    """How many seconds may pass before it wants to be looked at, though nothing has come; None for any time."""

    def fresh(self) -> Self:
        """Return a copy for one stream."""
        twin = copy.copy(self)
        twin.begin()
        return twin

    def begin(self) -> None:
        """Get ready for a stream."""

    def text(self, event: Event) -> Iterable[Event]:
        """Return what becomes of a piece of text or reasoning; by default itself."""
        return (event,)

    def rest(self) -> Iterable[Event]:
        """Return what was held back, as something else than text follows, or nothing."""
        return ()

    def part(self, event: Event) -> Event:
        """Return what becomes of a tool call, a result or a data value; by default itself."""
        return event

    def feed(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield what is to go on now. No events: some time has passed."""
        for event in events:
            if event.kind in TEXT_KINDS:
                yield from self.text(event)
            else:
                yield from self.rest()
                yield event if event.kind in ENDINGS or event.kind in ("start", "reset") else self.part(event)

    async def afeed(self, events: Iterable[Event]) -> list[Event]:
        """Feed as `feed` does, from async code, where a hook of the site's may be awaited."""
        return list(self.feed(events))


class Pipeline:
    """Transforms one after another, for one stream. Falsy if there are none."""

    def __init__(self, transforms: Sequence[Transform] = ()) -> None:
        checked(transforms)
        self._stages = [transform.fresh() for transform in transforms]
        self.interval = min((stage.interval for stage in self._stages if stage.interval), default=None)
        """How many seconds may pass before it has to be fed with nothing; None for any time."""
        self.changes_content = any(stage.changes_content for stage in self._stages)
        """Whether what is said may be another."""

    def __bool__(self) -> bool:
        return bool(self._stages)

    def feed(self, events: Iterable[Event] = ()) -> list[Event]:
        """Return what is to go on now; nothing after an ending. No events: some time has passed."""
        for stage in self._stages:
            events = list(stage.feed(events))
        return self._ended(list(events))

    async def afeed(self, events: Iterable[Event] = ()) -> list[Event]:
        """Return as `feed` does, from async code."""
        for stage in self._stages:
            events = await stage.afeed(events)
        return self._ended(list(events))

    def _ended(self, events: list[Event]) -> list[Event]:
        """Cut off what follows an ending: one stage may have ended what the source has not."""
        for index, event in enumerate(events):
            if event.is_ending:
                self._stages = [_Deaf()]
                return events[: index + 1]
        return events


class _Deaf(Transform):
    """Lets nothing through: all has been said."""

    def feed(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield nothing."""
        return iter(())


def checked(transforms: object, *, for_viewer: bool = False) -> tuple[Transform, ...]:
    """Return a list of transforms as it is meant to be.

    Raise TypeError for what is none, and, for a viewer, for one that changes the length of text.
    """
    if not isinstance(transforms, Sequence) or isinstance(transforms, str):
        raise TypeError(f"transforms must be a list of Transform, not {type(transforms).__name__}")
    for transform in transforms:
        if not isinstance(transform, Transform):
            hint = "; call it" if callable(transform) else ""
            raise TypeError(f"{transform!r:.80} is no Transform{hint}")
        if for_viewer and not transform.keeps_length:
            raise TypeError(
                f"{type(transform).__name__} changes the length of text, and can be used for the record only"
            )
    return tuple(transforms)


def check_seconds(name: str, value: object) -> float:
    """Return a number of seconds above 0. Raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a number above 0, not {value!r}")
    return float(value)
