"""Moderation: a site's own hook looks at each piece of text before it goes on, and may stop the answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeAlias, cast

from asgiref.sync import async_to_sync, sync_to_async

from converse_stream.events import TEXT_KINDS, Event
from converse_stream.exceptions import ContentFiltered
from converse_stream.transforms.base import Transform

Check: TypeAlias = Callable[[str, str], Awaitable[object] | object]
"""Called with a piece of text, and all of its kind so far with it; a false value but None stops the answer."""


class Moderation(Transform):
    """Lets through what the hook lets through."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._is_async = inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(
            getattr(check, "__call__", None)  # noqa: B004 - of an object that can be called
        )

    def begin(self) -> None:
        """Know of no text."""
        self._said: dict[str, list[str]] = {kind: [] for kind in TEXT_KINDS}
        self._message: dict[str, Any] | None = None

    def feed(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield what the hook lets through, and a failure where it does not."""
        for event in events:
            asked = self._asked(event)
            if asked and not _is_fine(self._call(*asked)):
                yield self._stop(event)
                return
            yield event

    async def afeed(self, events: Iterable[Event]) -> list[Event]:
        """Feed as `feed` does; a sync hook runs in a thread, so that it holds up nobody else."""
        let_through: list[Event] = []
        for event in events:
            asked = self._asked(event)
            if asked and not _is_fine(await self._acall(*asked)):
                return [*let_through, self._stop(event)]
            let_through.append(event)
        return let_through

    def _asked(self, event: Event) -> tuple[str, str] | None:
        if event.kind == "start":
            self._message = event.data["message"]
        if event.kind not in TEXT_KINDS:
            return None
        said = self._said[event.kind]
        said.append(event.data)
        return event.data, "".join(said)

    def _call(self, text: str, full: str) -> object:
        if self._is_async:
            return async_to_sync(cast("Callable[..., Awaitable[object]]", self._check))(text, full)
        return self._check(text, full)

    async def _acall(self, text: str, full: str) -> object:
        if self._is_async:
            return await cast("Awaitable[object]", self._check(text, full))
        return await sync_to_async(self._check, thread_sensitive=False)(text, full)

    def _stop(self, event: Event) -> Event:
        error = {"code": ContentFiltered.code, "message": str(ContentFiltered.public), "retryable": False}
        return Event(event.message_id, "failed", event.start, event.start, {"message": self._message, "error": error})


def _is_fine(verdict: object) -> bool:
    return verdict is None or bool(verdict)


def moderate(check: Check) -> Transform:
    """Ask `check(text, full)` before each piece of text goes on; if it returns False, the answer ends there.

    In the record it fails as `content_filter`, with what was let through; a single viewer is told so, and the answer
    goes on. Put `by_sentence()` before it to be asked about whole sentences. `check` may be async. What it raises ends
    the answer, too.
    """
    if not callable(check):
        raise TypeError(f"check must be callable, not {type(check).__name__}")
    return Moderation(check)
