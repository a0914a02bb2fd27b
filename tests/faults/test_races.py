"""Stop, complete and kill -9 race, each in a process of its own: there is one ending, and it is true.

More of it: `make killed-races RACES=500`.
"""

import logging
import os
import random
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from converse_stream.events import fold
from converse_stream.models import Conversation, Message, Status
from converse_stream.models.chunk import read_events
from converse_stream.models.leases import end_lost
from tests.faults.racing import FIRST, REST
from tests.servers import ROOT, database_url

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

RACES = int(os.environ.get("RACES", "10"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
WHOLE = FIRST + "".join(REST)
RACER = "import django; django.setup(); from tests.faults.racing import race; race('{}')"
PATIENCE = 60.0

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.timeout(120 + 5 * RACES),
]


class Racer:
    """A process that does what it is told by lines."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._said = b""

    def tell(self, *words: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{' '.join(map(str, words))}\n".encode())

    def hear(self, seconds: float = PATIENCE) -> str | None:
        """Return the next line, or None if there is none within so many seconds."""
        assert self._process.stdout
        while b"\n" not in self._said:
            if not select.select([self._process.stdout], [], [], seconds)[0]:
                return None
            said = os.read(self._process.stdout.fileno(), 4096)
            assert said, "a racer has left"
            self._said += said
        line, self._said = self._said.split(b"\n", 1)
        return line.decode()

    def expect(self) -> list[str]:
        line = self.hear()
        assert line is not None, "a racer says nothing"
        return line.split()


@contextmanager
def racing(what: str) -> Iterator[Racer]:
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    command = [sys.executable, "-c", RACER.format(what)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=env, bufsize=0, **pipes) as process:
        try:
            yield Racer(process)
        finally:
            process.kill()


def test_stop_complete_and_kill_give_one_true_ending_every_time() -> None:
    chance, endings = random.Random(SEED), Counter[str]()
    logger.info("%d races; the same moments again with SEED=%d", RACES, SEED)
    scale = 0.02
    with racing("write") as writer, racing("stop") as stopper:
        for race in range(RACES):
            is_stopped, moment = race % 3 > 0, chance.uniform(0, 2 * scale)
            writer.tell(Conversation.objects.create().pk)
            pid, message_id = writer.expect()
            if is_stopped:
                stopper.tell(message_id, chance.uniform(0, 2 * scale))
            told = writer.hear(moment)
            with suppress(ProcessLookupError):  # it was done
                os.kill(int(pid), signal.SIGKILL)
            told = told or writer.hear(0)
            # Half of the writers shall be killed before they are done, whatever the machine.
            scale *= 0.8 if told else 1.25
            has_stopped = stopper.expect() == ["True"] if is_stopped else False
            endings[check(message_id, told, has_stopped=has_stopped)] += 1
    logger.info("endings: %s", dict(endings))
    assert sum(endings.values()) == RACES


def check(message_id: str, told: str | None, *, has_stopped: bool) -> str:
    """See to it that the message has the ending that its writer and its stopper were told of; return it."""
    message = Message.objects.get(pk=message_id)
    if message.is_live:
        assert told is None and not has_stopped
        # What an onlooker would do half a minute after the writer's death.
        Message.objects.filter(pk=message_id).update(lease_expires_at=timezone.now() - timedelta(seconds=31))
        assert end_lost([message.pk]) == [message.pk]
        message.refresh_from_db()
        assert (message.status, message.error_code) == (Status.FAILED, "worker_lost")
    else:
        assert end_lost([message.pk]) == []
        assert has_stopped == (message.status == Status.CANCELLED)
        assert told in ({"complete", None} if message.status == Status.COMPLETE else {"closed", None})
    assert message.live_in is None
    assert WHOLE.startswith(message.content) and message.content.startswith(FIRST)
    assert (message.content == WHOLE) or message.status != Status.COMPLETE
    assert fold(read_events(message.pk, using="default")) == message.parts
    assert not message.cancel()
    assert message.status != Status.FAILED or message.error_code == "worker_lost"
    return message.status
