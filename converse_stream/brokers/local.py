"""The broker inside a process: committed events from the recorder to the feed, and hints to both."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from converse_stream.events import Event

if TYPE_CHECKING:
    from converse_stream.models import Message

logger = logging.getLogger("converse_stream")

T = TypeVar("T")
Committed = Callable[[Mapping[str, list[Event]]], None]
Ended = Callable[[Sequence["Message"]], None]
Hinted = Callable[[Iterable[str]], None]


class LocalBroker:
    """Always present. Its listeners only note what they hear: they are called in the publisher's thread."""

    def __init__(self) -> None:
        self._on_committed: list[Committed] = []
        self._on_ended: list[Ended] = []
        self._on_hint: list[Hinted] = []

    def listen(
        self,
        *,
        on_committed: Committed | None = None,
        on_ended: Ended | None = None,
        on_hint: Hinted | None = None,
    ) -> None:
        """Hear of committed events by message id, of messages with their ending, and of those with other news."""
        if on_committed:
            self._on_committed.append(on_committed)
        if on_ended:
            self._on_ended.append(on_ended)
        if on_hint:
            self._on_hint.append(on_hint)

    def committed(self, events: Mapping[str, list[Event]]) -> None:
        """Pass on what has just been committed."""
        for listener in self._on_committed:
            _tell(listener, events)

    def ended(self, messages: Sequence["Message"]) -> None:
        """Pass on messages as the commit that ended them has left their rows. Their events were passed on before."""
        for listener in self._on_ended:
            _tell(listener, messages)

    def hint(self, message_ids: Iterable[str]) -> None:
        """Say that these messages have changed."""
        for listener in self._on_hint:
            _tell(listener, message_ids)

    def forget_listeners(self) -> None:
        """Start anew: what listened belongs to the parent of this process."""
        self._on_committed.clear()
        self._on_ended.clear()
        self._on_hint.clear()


def _tell(listener: Callable[[T], None], news: T) -> None:
    try:
        listener(news)
    except Exception:
        # The publisher has committed: nothing that a listener does may look like a failed commit.
        logger.exception("a listener of the local broker failed")


local = LocalBroker()
os.register_at_fork(after_in_child=local.forget_listeners)
