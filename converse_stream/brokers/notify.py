"""Hints over PostgreSQL's LISTEN and NOTIFY: several hosts, and no service besides the database."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

import psycopg
from django.apps import apps
from django.db import connections, router
from psycopg import sql

from converse_stream.brokers.background import BEAT, BackgroundBroker
from converse_stream.conf import settings

AT_ONCE = 200
"""Ids in a notification: PostgreSQL takes 8,000 bytes."""
CONNECTS_WITHIN = 5
"""Seconds."""
ANSWERED_WITHIN = 10_000
"""Milliseconds after which a connection whose other end has gone without a word is given up (on Linux)."""


class NotifyBroker(BackgroundBroker):
    """One connection of its own to each process, outside of Django's and of any pool."""

    def __init__(self) -> None:
        super().__init__()
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)

    @classmethod
    def problems(cls) -> Iterator[str]:
        """Yield what keeps hints from other processes."""
        alias = _alias()
        if not connections.settings[alias]["ENGINE"].endswith(("postgresql", "postgis")):
            yield f"the database {alias!r} is not PostgreSQL"

    def session(self) -> None:
        """Listen, and notify in between."""
        channel = f"{settings.GROUP_PREFIX}.hints"
        with self._connect() as connection, selectors.DefaultSelector() as selector:
            connection.add_notify_handler(lambda notify: self._hear(notify.payload))
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self.connected()
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._ear, selectors.EVENT_READ)
            self._tell(connection, channel, self.take())
            while not self.stopping.is_set():
                is_idle = not selector.select(BEAT)
                with suppress(BlockingIOError):
                    self._ear.recv(4096)
                self._receive(connection)
                self._tell(connection, channel, self.take(), is_beat=is_idle)

    def wake(self) -> None:
        """Interrupt the wait for notifications."""
        with suppress(OSError):  # full: it is awake
            self._bell.send(b"!")

    def close(self) -> None:
        """End the thread."""
        super().close()
        self._bell.close()
        self._ear.close()

    def _connect(self) -> psycopg.Connection[Any]:
        params = connections[_alias()].get_connection_params()
        params = {"connect_timeout": CONNECTS_WITHIN, "tcp_user_timeout": ANSWERED_WITHIN, **params}
        return psycopg.connect(**params, autocommit=True)

    def _receive(self, connection: psycopg.Connection[Any]) -> None:
        connection.pgconn.consume_input()
        while (notification := connection.pgconn.notifies()) is not None:
            self._hear(notification.extra.decode())

    def _tell(
        self, connection: psycopg.Connection[Any], channel: str, message_ids: Collection[str], *, is_beat: bool = False
    ) -> None:
        ids = list(message_ids)
        # A beat tells nobody anything, but finds out whether the connection still stands.
        for first in range(0, len(ids) or is_beat, AT_ONCE):
            payload = f"{self.token} {' '.join(ids[first : first + AT_ONCE])}"
            connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))

    def _hear(self, payload: str) -> None:
        sender, *message_ids = payload.split()
        self.hear(sender, message_ids)


def _alias() -> str:
    return router.db_for_write(apps.get_model("converse_stream", "Message"))
