"""What this process knows of the conversations that are watched: one read for all of them, and for all who watch."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from converse_stream.events import Event
from converse_stream.feed import history
from converse_stream.feed.history import PAGE, Facts, message_event
from converse_stream.feed.updates import Update
from converse_stream.feed.viewer import Viewer, wake_all
from converse_stream.feed.watcher import Watcher
from converse_stream.models import Message

if TYPE_CHECKING:
    from converse_stream.feed.feed import Feed

logger = logging.getLogger("converse_stream")

KEPT = 50
"""New messages of a watched conversation that stay in memory; who has missed more reads them from the database."""


class Entry(NamedTuple):
    """A message that came while its conversation was watched."""

    number: int
    event: Event


class Watched:
    """A conversation that somebody watches. The feed's lock guards it."""

    def __init__(self) -> None:
        self.facts: Facts | None = None
        """What its row said last; None before the first look and when it is not there."""
        self.looked_at: float | None = None
        self.base = 0
        """The number from which on its messages are here."""
        self.number = 0
        self.entries: deque[Entry] = deque()
        self.bells: set[Viewer] = set()
        self.is_broken = False
        """Whether what was read made no sense."""

    def take(self, facts: Facts | None, messages: Iterable[Message], looked_at: float) -> bool:
        """Take what was read. Return whether there is anything new in it."""
        first, before = self.looked_at is None, (self.number, self._told)
        self.facts, self.looked_at = facts, looked_at
        if first and facts is not None:
            self.base = self.number = facts.number
        for message in messages:
            if message.number > self.number:
                self.number = message.number
                self.entries.append(Entry(message.number, message_event(message)))
        while len(self.entries) > KEPT:
            self.base = self.entries.popleft().number
        return first or before != (self.number, self._told)

    def lacks(self, facts: Facts | None) -> bool:
        """Whether there are messages that are not here."""
        return facts is not None and self.looked_at is not None and facts.number > self.number

    @property
    def _told(self) -> tuple[object, ...]:
        """What of its row its viewers are told, or concerns them."""
        facts = self.facts
        return (facts.title, facts.owner_id, facts.is_deleted) if facts else ()


class WatchedConversations:
    """The feed's conversations. Everything here is called under the feed's lock, but for `read`."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._watched: dict[str, Watched] = {}
        self._hinted: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._watched)

    @property
    def is_hinted(self) -> bool:
        """Whether one of them has news."""
        return bool(self._hinted)

    @property
    def bells(self) -> set[Viewer]:
        """All who watch."""
        return {bell for watched in self._watched.values() for bell in watched.bells}

    def hint(self, ids: Iterable[str]) -> bool:
        """Note that some of these, if they are conversations that are watched, have news. Return whether any is."""
        found = self._watched.keys() & set(ids)
        self._hinted |= found
        return bool(found)

    def due(self, *, all_of_them: bool) -> set[str]:
        """Return the conversations to look at now; forget those that nobody watches any more."""
        for conversation_id in [pk for pk, watched in self._watched.items() if not watched.bells]:
            del self._watched[conversation_id]
        hinted, self._hinted = self._hinted, set()
        return set(self._watched) if all_of_them else hinted & self._watched.keys()

    def join(self, watcher: Watcher) -> None:
        """Begin to watch."""
        if watcher.conversation_id not in self._watched:
            self._watched[watcher.conversation_id] = Watched()
            self._hinted.add(watcher.conversation_id)
        self._watched[watcher.conversation_id].bells.add(watcher.bell)

    def leave(self, watcher: Watcher) -> None:
        """Watch no longer. May be called twice."""
        watched = self._watched.get(watcher.conversation_id)
        if watched is not None:
            watched.bells.discard(watcher.bell)

    def news(self, watcher: Watcher) -> Iterator[Update]:
        """Yield what is here and new to a watcher. Raise Conversation.DoesNotExist, or RuntimeError for nonsense."""
        watched = self._watched.get(watcher.conversation_id)
        if watched is not None and watched.is_broken:
            raise RuntimeError(f"conversation {watcher.conversation_id} cannot be read")
        if watched is None or watched.looked_at is None or watcher.is_behind:
            return
        if watched.looked_at > watcher.as_of:
            watcher.check(watched.facts)
        if watched.base > watcher.at.number:
            watcher.is_behind = True
            return
        for number, event in watched.entries:
            if number > watcher.at.number:
                yield from watcher.see(number, event)
        if watched.facts is not None:
            yield from watcher.note(watched.facts)

    def read(self, conversation_ids: Collection[str]) -> set[str]:
        """Bring these up to date, without the lock. Return the live messages that came; they are held from now on."""
        now = time.monotonic()
        facts = history.facts(conversation_ids)
        with self._feed.lock:
            changed = {pk: watched.number for pk, watched in self._watched.items() if watched.lacks(facts.get(pk))}
        messages = history.later(changed) if changed else []
        with self._feed.lock:
            for message in messages:
                if message.is_live:
                    self._feed.expect(str(message.pk))
            self._take(conversation_ids, facts, messages, now)
        return {str(message.pk) for message in messages if message.is_live}

    def _take(
        self, ids: Collection[str], facts: Mapping[str, Facts], messages: Sequence[Message], looked_at: float
    ) -> None:
        of: dict[str, list[Message]] = {}
        for message in messages:
            of.setdefault(str(message.conversation_id), []).append(message)
        bells: list[Viewer] = []
        for pk in self._watched.keys() & ids:
            watched, found = self._watched[pk], facts.get(pk)
            try:
                is_news = watched.take(found, of.get(pk, ()), looked_at)
            except Exception:
                # No conversation's trouble may end the thread that reads for all: let its viewers go.
                logger.exception("conversation %s cannot be read", pk)
                is_news = watched.is_broken = True
            if is_news:
                bells += watched.bells
            if found is not None and len(messages) < PAGE:
                watched.number = max(watched.number, found.number)  # what nobody may see has a number, too
        wake_all(bells)
