"""manage.py converse_recover: look after answers whose process is gone."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from converse_stream.models import Message
from converse_stream.models.leases import TWICE, expired, recover
from converse_stream.runners.queue import settle

logger = logging.getLogger("converse_stream")

SENT_WITHIN = 10.0
"""Seconds that the queue has to take what is sent again."""


class Command(BaseCommand):
    """End as failed what nobody writes any more, and start again what nobody has begun."""

    help = (
        "Ends answers whose process is gone, with their text kept, and starts again those of which nothing is said. "
        "Processes that generate or follow answers do the same by themselves."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what can be given."""
        parser.add_argument("--loop", action="store_true", help="go on until told to end")
        parser.add_argument("--interval", type=float, default=5.0, metavar="SECONDS", help="between two looks; 5")

    def handle(self, **given: Any) -> None:
        """Look once, and a second time at what may only have been held up; or again and again."""
        ended = threading.Event()
        if not given["loop"]:
            lost = recover()
            if expired().exists() and not ended.wait(TWICE + 0.1):
                lost += recover()
            settle(SENT_WITHIN)
            self._tell(lost)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, lambda *_: ended.set())
        while not ended.wait(max(0.1, given["interval"])):
            self._look()

    def _look(self) -> None:
        try:
            self._tell(recover(), quiet=True)
        except (DatabaseError, InterfaceError):
            connections.close_all()
            logger.warning("the database cannot be looked at; trying again", exc_info=True)

    def _tell(self, lost: list[Any], *, quiet: bool = False) -> None:
        if lost or not quiet:
            waiting = Message.objects.filter(status="pending").count()
            self.stdout.write(f"{len(lost)} ended, {waiting} waiting to be begun")
