"""A crew whose process is killed: what was said is kept, no tool runs twice, and it starts again where it was."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from converse_stream.agents import CrewEvent, afollow_crew, follow_crew
from converse_stream.exceptions import WorkerLost
from converse_stream.models import Conversation, Message, Status
from tests.agents.kitchen import WORDS, crew
from tests.servers import ROOT, database_url
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SITE = {"LEASE": 1.0, "POLL_INTERVAL": 0.05}


def seen_by_one(message: Message) -> list[CrewEvent]:
    seen: list[CrewEvent] = []

    def follow() -> None:
        try:
            for event in follow_crew(message, timeout=40):
                seen.append(event)
        finally:
            connections.close_all()

    with pytest.raises(WorkerLost):
        follow()
    return seen


def seen_by_another(message: Message) -> list[CrewEvent]:
    seen: list[CrewEvent] = []

    async def follow() -> None:
        try:
            async for event in afollow_crew(message, timeout=40):
                seen.append(event)
        finally:
            await sync_to_async(connections.close_all)()

    with pytest.raises(WorkerLost):
        asyncio.run(follow())
    return seen


def said(events: list[CrewEvent], index: int) -> str:
    return "".join(event.chunk for event in events if event.task_index == index)


def test_a_crew_that_is_killed_in_its_second_task_starts_again_from_there(
    conversation: Conversation, settings, tmp_path: Path
) -> None:
    """Seeds: F-04."""
    settings.CONVERSE_STREAM = SITE
    log = tmp_path / "log"
    work = f"from tests.agents.kitchen import work; work({str(conversation.pk)!r}, {str(log)!r})"
    command = [sys.executable, "-c", f"import django; django.setup(); {work}"]
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "CONVERSE_STREAM": json.dumps(SITE),
    }
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        until(lambda: Message.objects.filter(live_in=conversation).exists(), 30)
        first = Message.objects.get(live_in=conversation)
        with ThreadPoolExecutor(2) as viewers:
            viewings = [viewers.submit(seen_by_one, first), viewers.submit(seen_by_another, first)]
            cook = {"parent": first, "provider": "cook"}
            until(lambda: any("fish" in turn.content for turn in Message.objects.filter(**cook)), 30)
            process.kill()
            watched = [viewing.result(60) for viewing in viewings]
    finally:
        process.kill()
        process.wait()

    # Both viewers were told of the end, and all that they saw is kept.
    bought, cooked = Message.objects.filter(parent=first).order_by("number")
    for events in watched:
        assert (said(events, 0), said(events, 1)) == (bought.content, cooked.content)
        assert [event.task_index for event in events if event.is_complete] == [0]
    assert bought.content == "Wait. Fish and tea are bought."
    assert cooked.content == "Wait. The fish "
    first.refresh_from_db()
    assert [each.status for each in (first, bought, cooked)] == [Status.FAILED, Status.COMPLETE, Status.FAILED]
    assert [each.error_code for each in (first, cooked)] == ["worker_lost", "worker_lost"]

    second = crew(log, stuck=False).resume(first)
    again = list(follow_crew(second, timeout=60))

    assert second.wait(60).content == "Wait. Dinner is ready."
    assert [event.response for event in again if event.is_complete] == [
        "Wait. Fish and tea are bought.",
        "The fish is fried.",
        "Wait. Dinner is ready.",
    ]
    assert Counter(log.read_text().split()) == dict.fromkeys(WORDS, 1)
    assert bought.attempts.count() == 2
    assert Message.objects.filter(provider="buyer").count() == 1
