"""Watcher: what one viewer of a conversation has seen of it by now. It holds no connection and no thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from converse_stream.events import Event
from converse_stream.feed.history import PAGE, Facts, Missed, message_event
from converse_stream.feed.reading import finished
from converse_stream.feed.updates import NOT_BEGUN, ConversationCursor, Update, checksum
from converse_stream.feed.viewer import Viewer
from converse_stream.models import Conversation, Message

Follow = Callable[[str, int], bool]
"""Begins to follow a live message from a position. Returns whether what lies there has to be read first."""


class Leg(Viewer):
    """One live message that a watcher follows. It is woken as the watcher is: one wake-up for all that it watches."""

    def __init__(self, bell: Viewer) -> None:
        self.position = 0
        self.tail = None
        self.loop = bell.loop
        self._bell = bell

    @property
    def is_woken(self) -> bool:
        """Whether the watcher knows that there is something to take."""
        return self._bell.is_woken

    @is_woken.setter
    def is_woken(self, value: bool) -> None:
        self._bell.is_woken = value

    def wake(self) -> None:
        """Wake the watcher."""
        self._bell.wake()


class Watcher:
    """One viewer's state: its cursor, the messages it follows, and what it has to read from the database."""

    def __init__(self, conversation: Conversation, cursor: ConversationCursor, bell: Viewer, follow: Follow) -> None:
        self.conversation_id = str(conversation.pk)
        self.owner_id = conversation.owner_id
        self.bell = bell
        self.at = replace(cursor, live=dict(cursor.live))
        self.as_of = 0.0
        """When what it knows of the conversation's row was read."""
        self.is_behind = True
        """Whether it has to read messages that the process does not hold."""
        self.lacking: dict[str, int] = {}
        """Live messages of which it has to read what lies after a position."""
        self._numbers: dict[str, int] = {}
        self._begun: set[str] = set()
        """The live messages whose `start` the viewer has."""
        self._follow = follow

    @property
    def unread(self) -> list[int]:
        """The numbers of messages that were live when the viewer left, and that it has not looked at since."""
        return sorted(self.at.live.keys() - self._numbers.values())

    def check(self, facts: Facts | None) -> None:
        """Raise Conversation.DoesNotExist where the conversation is not there any more, or not the same user's."""
        if facts is None or facts.is_deleted or facts.owner_id != self.owner_id:
            raise Conversation.DoesNotExist(f"conversation {self.conversation_id} does not exist")

    def catch_up(self, missed: Missed) -> Iterator[Update]:
        """Take what was read of the conversation."""
        facts, unread = missed.facts, set(self.unread)
        self.check(facts)
        assert facts is not None
        lost = unread.difference(message.number for message in missed.messages)
        if self.at.revision > facts.revision or self.at.number > facts.number or lost:
            yield self.start_over()
            return
        yield from self.note(facts)
        for message in missed.messages:
            if self.at.live.get(message.number, NOT_BEGUN) == NOT_BEGUN:
                yield from self.see(message.number, message_event(message))
            else:
                yield from self._continue(message)
        self.is_behind = len(missed.messages) == PAGE
        if not self.is_behind:
            self._move(number=max(facts.number, self.at.number))

    def start_over(self) -> Update:
        """Forget everything: the cursor cannot be honoured."""
        self.at = ConversationCursor()
        self.is_behind = True
        self.lacking.clear()
        self._numbers.clear()
        self._begun.clear()
        return self._own("reset")

    def forget_followed(self) -> None:
        """Look at all live messages anew with the next page."""
        self.is_behind = True
        self._numbers.clear()

    def note(self, facts: Facts) -> Iterator[Update]:
        """Take what the conversation's row says, unless something newer is known."""
        if facts.as_of <= self.as_of:
            return
        self.as_of, title = facts.as_of, checksum(facts.title)
        is_news = title != self.at.title
        self._move(revision=facts.revision, title=title)
        if is_news:
            yield self._own("conversation", title=facts.title)

    def see(self, number: int, event: Event) -> Iterator[Update]:
        """Take a message that is new to the viewer: `message_event` of it."""
        self._move(number=max(number, self.at.number))
        if event.kind == "message":
            self.at.live.pop(number, None)
            yield self._update(event)
            return
        self._numbers[event.message_id] = number
        self.at.live[number] = NOT_BEGUN
        if self._follow(event.message_id, 0):
            self.lacking[event.message_id] = 0  # it begins with `start`, too
        else:
            yield from self.pass_on([event])

    def _continue(self, message: Message) -> Iterator[Update]:
        """Go on with a message that was live when the viewer left."""
        message_id, position = str(message.pk), self.at.live[message.number]
        self._numbers[message_id] = message.number
        self._begun.add(message_id)
        if not message.is_live:
            yield from self.pass_on(finished(message, position).all)
        elif self._follow(message_id, position):
            self.lacking[message_id] = position

    def pass_on(self, events: Iterable[Event]) -> Iterator[Update]:
        """Take events of a live message."""
        for event in events:
            message_id = event.message_id
            number = self._numbers[message_id]
            if event.kind == "start":
                if message_id in self._begun:
                    continue
                self._begun.add(message_id)
            if event.is_ending:
                del self.at.live[number], self._numbers[message_id]
                self._begun.discard(message_id)
            else:
                self.at.live[number] = event.end
            yield self._update(event)

    def _move(self, **to: Any) -> None:
        self.at = replace(self.at, **to)

    def _own(self, kind: str, **data: Any) -> Update:
        return self._update(Event("", kind, 0, 0, data))

    def _update(self, event: Event) -> Update:
        return Update(event, self.at.text(self.conversation_id))
