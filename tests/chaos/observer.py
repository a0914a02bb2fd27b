"""Looks at the database, not through the library and past every fault that can be avoided, and notes what changes."""

import asyncio
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from converse_stream.events import ENDINGS
from tests.chaos.record import Answer, Call, Row, Sighting
from tests.waiting import until

LOOKS_EVERY = 0.2
COLUMNS = "id, status, error_code, content, parts::text, length"
ANSWERS = f"SELECT {COLUMNS} FROM converse_stream_message WHERE id = ANY(%s::uuid[])"
COUNT = """
    SELECT count(*) FROM converse_stream_message
    WHERE role = 'assistant' AND conversation_id = (SELECT conversation_id FROM converse_stream_message WHERE id = %s)
"""


class Observer:
    """Somebody at the database's own port."""

    def __init__(self, url: str, calls: Path) -> None:
        self._url = url
        self._calls = calls
        self.answers: dict[str, Answer] = {}
        """By the message's id."""
        self._looked = asyncio.Condition()
        # Of its own: it tells the time of what it sees.
        self._thread = ThreadPoolExecutor(1)

    async def go_on(self) -> None:
        """Note, all the time, what changes of those that have not ended."""
        while True:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._look)
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(LOOKS_EVERY)

    async def has_seen_the_end(self, answer: Answer) -> None:
        """Wait until the database has been seen to hold an answer's ending."""
        async with self._looked:
            await self._looked.wait_for(lambda: answer.ended)

    def _look(self) -> None:
        live = [message_id for message_id, answer in self.answers.items() if not answer.ended]
        with suppress(psycopg.OperationalError), psycopg.connect(self._url, connect_timeout=5) as connection:
            for message_id, row in _rows(connection, live):
                answer = self.answers[message_id]
                if not answer.sightings or answer.sightings[-1].status != row.status:
                    answer.sightings.append(Sighting(time.time(), row.status))
                if row.status in ENDINGS:
                    answer.ended = row

    def look_again(self, mine: Mapping[str, Answer]) -> None:
        """Note for the last time how these are, and what the provider was asked for them."""
        until(lambda: self._has_noted(mine), 60)  # the database may be away at this moment
        calls = self.calls()
        for answer in mine.values():
            answer.calls = [call for call in calls if call.question == answer.question]

    def _has_noted(self, mine: Mapping[str, Answer]) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self._url, connect_timeout=5) as connection:
            for message_id, row in _rows(connection, list(mine)):
                mine[message_id].last = row
            for message_id, answer in mine.items():
                ((answer.answers,),) = connection.execute(COUNT, [message_id])
            return True
        return False

    def calls(self) -> list[Call]:
        """Return what the provider has been asked so far."""
        return [Call(**json.loads(line)) for line in self._calls.read_text().splitlines()]


def _rows(connection: psycopg.Connection[Any], ids: list[str]) -> list[tuple[str, Row]]:
    return [(str(message_id), Row(*row)) for message_id, *row in connection.execute(ANSWERS, [ids])]
