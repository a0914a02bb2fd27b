"""kill -9 at any moment: what a viewer has seen is in the database, and the truth about the rest is soon told.

More of it: `make kills RUNS=200`, and at the default lease `make kills RUNS=5 LEASE=10`.
"""

import logging
import os
import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User

from converse_stream.events import fold, text_of
from converse_stream.models import Message, Status
from converse_stream.models.choices import LIVE_STATUSES
from converse_stream.models.chunk import read_events
from tests.faults.visitor import Viewing, Visitor
from tests.servers import launch, serve

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

RUNS = int(os.environ.get("RUNS", "3"))
LEASE = float(os.environ.get("LEASE", "2"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
TOLD_WITHIN = 15.0
QUESTIONS = ("/long 4000", "/think leases and cursors", "/long 200")
"""One that is never done before the kill, one with reasoning, one that is done now and then."""
SITE = {"LEASE": LEASE, "PROVIDERS": {"demo": {"pace": 0.005}}}

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.timeout(60 + RUNS * (15 + LEASE)),
]


@dataclass(frozen=True)
class Left:
    """What a killed server has left of an answer."""

    is_live: bool
    text: str


@pytest.fixture
def survivor() -> Iterator[str]:
    with serve("uvicorn", settings=SITE) as url:
        yield url


def test_all_that_was_seen_is_kept_and_what_had_not_ended_is_told_to_be_lost(survivor: str, user: User) -> None:
    """Seeds: B-06, T-11, A-11."""
    visitor, chance = Visitor(user), random.Random(SEED)
    logger.info("%d kills at a lease of %g s; the same moments again with SEED=%d", RUNS, LEASE, SEED)
    viewings, remains, looks = [], [], []
    with ThreadPoolExecutor(24) as onlookers:
        for run in range(RUNS):
            moment = chance.uniform(0, 1.2)
            killed = ask_and_kill(visitor, moment)
            logger.info("%d: after %.3f s, seen: %s", run, moment, [one.follower.position for one in killed])
            viewings += killed
            remains += [check_what_is_left(viewing) for viewing in killed]
            looks += [onlookers.submit(come_back, visitor, survivor, viewing) for viewing in killed]

    took = [look.result() for look in looks]
    for viewing, left in zip(viewings, remains, strict=True):
        check_the_ending(viewing, left)
    lost = sorted(seconds for seconds, left in zip(took, remains, strict=True) if left.is_live)
    figures = len(lost), len(took), lost[len(lost) // 2], lost[-1]
    logger.info("%d of %d answers lost; told after %.1f s (median), %.1f s (most)", *figures)
    assert lost[-1] <= TOLD_WITHIN


def ask_and_kill(visitor: Visitor, moment: float) -> list[Viewing]:
    """Start a server and its answers, and kill it so many seconds later. Return what their viewers have seen."""
    with launch("uvicorn", settings=SITE) as server:
        viewings = [visitor.view(server.url, visitor.ask(server.url, question)) for question in QUESTIONS]
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(moment)
        server.process.kill()
        for viewing in viewings:
            viewing.end()
    return viewings


def check_what_is_left(viewing: Viewing) -> Left:
    """Find everything in the database that was seen, and keep what there is."""
    row, seen = Message.objects.filter(pk=viewing.message_id).values("status", "parts").get(), viewing.follower
    is_live = row["status"] in LIVE_STATUSES
    parts = fold(read_events(viewing.message_id, using="default")) if is_live else row["parts"]
    reasoning = "".join(part["text"] for part in parts if part["type"] == "reasoning")
    left = Left(is_live, text_of(parts))
    assert reasoning.startswith(seen.reasoning)
    assert left.text.startswith(seen.text)
    return left


def come_back(visitor: Visitor, url: str, viewing: Viewing) -> float:
    """Follow on from another server. Return the seconds until the ending."""
    began = time.monotonic()
    for _ in visitor.follow(url, viewing.message_id, viewing.follower):
        pass
    return time.monotonic() - began


def check_the_ending(viewing: Viewing, left: Left) -> None:
    after, seen = Message.objects.get(pk=viewing.message_id), viewing.follower
    assert (seen.text, seen.ending) == (after.content, after.status)
    assert after.content == left.text
    if left.is_live:
        assert (after.status, after.error_code, after.live_in_id) == (Status.FAILED, "worker_lost", None)
        assert seen.error is not None
        assert seen.error["code"] == "worker_lost"
