"""Answers that take long enough for something to happen to them, each with a viewer."""

import threading
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from django.db import connection

from converse_stream.events import Event, fold
from converse_stream.models import Conversation

PAUSE = threading.Event()
"""Never set: waiting for it is how a source takes its time."""
PACE = 0.015
COUNTS = (100, 200, 250, 300, 350, 400)
"""How many words each answer of a set has: they end one after the other."""


def said(count: int, pace: float = PACE) -> Iterator[str | Mapping[str, Any]]:
    """Say words, and in between values; the source goes on when a value is committed."""
    for number in range(count):
        PAUSE.wait(pace)
        yield f"w{number} "
        if number % 40 == 20:
            yield {"type": "data", "name": "mark", "value": number}


def whole(count: int) -> list[dict[str, Any]]:
    """Return the parts that such an answer must have in the end."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": ""}]
    for item in said(count, pace=0):
        if isinstance(item, str):
            parts[-1]["text"] += item
        else:
            parts += [dict(item), {"type": "text", "text": ""}]
    return [part for part in parts if part.get("text") != ""]


class Answer:
    """An answer and what its viewer sees of it."""

    def __init__(self, count: int, pace: float = PACE) -> None:
        self.count = count
        self.seen: list[tuple[float, Event]] = []
        """Each event, with the time it came at."""
        self.message = Conversation.objects.create().ask("go", source=said(count, pace))
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._view, daemon=True)
        self._thread.start()

    def wait_for_words(self) -> None:
        """Wait until the viewer has seen the first ones."""
        assert self._begun.wait(60)

    def wait(self) -> None:
        """Wait until the viewer has seen the ending."""
        self._thread.join(60)
        assert not self._thread.is_alive()

    def check(self) -> None:
        """Nothing is missing, twice or in another order, neither in the database nor for the viewer."""
        self.wait()
        self.message.refresh_from_db()
        assert (self.message.status, self.message.error_code) == ("complete", "")
        assert self.message.parts == whole(self.count)
        first, *content, last = [event for _time, event in self.seen]
        assert (first.kind, last.kind) == ("start", "complete")
        assert fold(content) == self.message.parts
        assert all(before.end == after.start for before, after in pairwise([first, *content]))

    def longest_silence(self) -> float:
        """Return the seconds between two events that the viewer had to wait at most."""
        return max(later - earlier for (earlier, _), (later, _) in pairwise(self.seen))

    def _view(self) -> None:
        try:
            for event in self.message.follow(timeout=40):
                self.seen.append((time.monotonic(), event))
                if event.kind == "text":
                    self._begun.set()
        finally:
            connection.close()
