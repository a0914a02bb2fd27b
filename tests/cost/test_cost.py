"""What live answers cost the database, in statements, commits and bytes: counts, not times.

CI runs them in full size: COST_ANSWERS=200 COST_SECONDS=5 COST_DELTAS=16000.
"""

import asyncio
import json
import os

import pytest
from asgiref.sync import sync_to_async

from converse_stream.models import Chunk, Message, Status
from tests.cost.choir import Choir
from tests.cost.ledger import Ledger, Statement, ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

ANSWERS = int(os.environ.get("COST_ANSWERS", 50))
SECONDS = float(os.environ.get("COST_SECONDS", 1))
DELTAS = int(os.environ.get("COST_DELTAS", 4000))
PACE = 50
STATEMENTS_A_COMMIT = 6
COMMITS_A_SECOND = 50
STATEMENTS_A_SECOND = 4 * COMMITS_A_SECOND + 20
"""While no answer begins or ends: BEGIN, fence, insert, COMMIT, and now and then a look at leases and statuses."""

READS = 10
"""By the feed in all: what is written in the same process is handed on without a read."""


def during(choir: Choir, kept: Ledger) -> list[Statement]:
    """Return what was said while all answers were written."""
    return [entry for entry in kept.statements if choir.began_at <= entry.at <= choir.ended_at]


def wait_for(messages: list[Message]) -> None:
    for message in messages:
        message.wait(60)
        assert message.status == Status.COMPLETE


def test_many_live_answers_share_few_commits_of_few_statements_and_lose_nothing() -> None:
    """Seeds: L-11, A-12."""
    choir = Choir(ANSWERS, pace=PACE, seconds=SECONDS)

    with ledger() as kept:
        messages = choir.ask()
        choir.begin()
        wait_for(messages)

    assert [message.content for message in messages] == [choir.text(number) for number in range(ANSWERS)]
    commits = kept.transactions("converse-recorder")
    assert max(map(len, commits)) <= STATEMENTS_A_COMMIT
    live = [commit for commit in commits if choir.began_at <= commit[0].at <= choir.ended_at]
    assert len(live) <= COMMITS_A_SECOND * (choir.ended_at - choir.began_at) + 1
    assert len(during(choir, kept)) <= STATEMENTS_A_SECOND * (choir.ended_at - choir.began_at + 1)


def cost_of_a_delta(kept: Ledger, deltas: int, *, times: int = 1) -> dict[str, float]:
    """Write answers of so many deltas, at the same pace whatever their number, one after the other."""
    before, stored = len(kept.statements), 0
    for _ in range(times):
        choir = Choir(1, pace=4000, seconds=deltas / 4000)
        messages = choir.ask()
        choir.begin()
        wait_for(messages)
        stored += stored_bytes(messages[0])
    said = [entry.size for entry in kept.statements[before:] if entry.thread == "converse-recorder"]
    totals = {"statements": len(said), "bytes written": sum(said), "bytes stored": stored}
    return {name: total / (deltas * times) for name, total in totals.items()}


def stored_bytes(message: Message) -> int:
    rows = Chunk.objects.filter(message=message)
    values = (message.content, json.dumps([message.parts, message.metadata, message.timeline]))
    return sum(48 + len(chunk.data) for chunk in rows) + sum(map(len, values))


def test_a_delta_of_a_long_answer_costs_no_more_than_one_of_a_short_answer() -> None:
    with ledger() as kept:
        short = cost_of_a_delta(kept, 500, times=8)
        long = cost_of_a_delta(kept, DELTAS)

    assert min(short.values()) > 0
    assert {name: long[name] / short[name] for name in short if long[name] > 1.15 * short[name]} == {}


@pytest.mark.parametrize(("voices", "viewers"), [(1, 1), (1, 50), (10, 1), (100, 1)])
async def test_statements_a_second_grow_neither_with_viewers_nor_with_live_answers(voices: int, viewers: int) -> None:
    """Seeds: C-15, T-16."""
    choir = Choir(voices, pace=PACE, seconds=SECONDS)
    joined = asyncio.Semaphore(0)

    async def view(message: Message) -> str:
        text = ""
        async for event in message.afollow(timeout=60):
            text += event.text
            if event.kind == "start":
                joined.release()
        return text

    with ledger() as kept:
        messages = await sync_to_async(choir.ask)()
        tasks = [asyncio.create_task(view(message)) for message in messages for _ in range(viewers)]
        for _ in tasks:
            await joined.acquire()
        await asyncio.to_thread(choir.begin)
        texts = await asyncio.gather(*tasks)

    assert texts == [choir.text(number) for number in range(voices) for _ in range(viewers)]
    assert sum(entry.thread == "converse-feed" for entry in during(choir, kept)) <= READS
    assert 0 < len(during(choir, kept)) <= STATEMENTS_A_SECOND * (choir.ended_at - choir.began_at) + 20
