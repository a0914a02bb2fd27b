"""A whole site is restarted, one process after the other, under viewers and real tabs: all see every answer whole.

`make rolling VIEWERS=200` does it with as many viewers as asked for.
"""

import asyncio
import logging
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.browser.component import Component
from tests.browser.page import chromium
from tests.browser.test_component_servers import sign_in
from tests.chaos.asking import PATIENT, ask
from tests.chaos.checker import check
from tests.chaos.observer import Observer
from tests.chaos.plan import Question
from tests.chaos.record import Answer
from tests.chaos.visitors import Visitor
from tests.cluster.cluster import Cluster, running
from tests.cluster.provider import words

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

VIEWERS = int(os.environ.get("VIEWERS", 12))
TALKS, TABS = "abcd", "xy"
WORDS = 150
QUESTION = f"{WORDS} words every 0.04 s, please"
LEASE = 10.0
logger = logging.getLogger("rolling")
logger.setLevel(logging.INFO)


async def test_a_rolling_restart_of_everything_loses_nothing() -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="converse-rolling-")))
        site = running(directory, DJANGO_SETTINGS_MODULE="tests.chaos.settings", LEASE=str(LEASE))
        cluster = await asyncio.to_thread(stack.enter_context, site)
        async with Visitor.signed_in(cluster) as visitor:
            observer = Observer(cluster.postgres.url, cluster.calls)
            there, over, seen, mine = threading.Event(), threading.Event(), dict[str, str](), dict[str, Answer]()
            async with asyncio.TaskGroup() as everybody:
                looking = everybody.create_task(observer.go_on())
                tabs = everybody.create_task(asyncio.to_thread(browse, cluster.url, there, over, seen))
                talks = [everybody.create_task(talk(name, visitor, observer, over, mine)) for name in TALKS]
                assert await asyncio.to_thread(there.wait, 60)
                await asyncio.to_thread(restart, cluster)
                over.set()
                await asyncio.gather(tabs, *talks)
                looking.cancel()
            await asyncio.to_thread(observer.look_again, mine)
        said = {call.question: call for call in observer.calls()}
        await asyncio.to_thread(stack.close)

    wrong = [sentence for answer in mine.values() for sentence in check(answer, [], LEASE)]
    assert not wrong, "\n".join(wrong)
    assert seen == {question: "".join(words(said[question].call, WORDS)) for question in seen}
    connections = sum(len(viewing.connections) for answer in mine.values() for viewing in answer.viewings)
    logger.info("%d answers, %d viewers at a time, %d connections", len(mine), VIEWERS, connections)
    logger.info("%d answers in %d tabs", len(seen), len(TABS))


async def talk(name: str, visitor: Visitor, observer: Observer, over: threading.Event, mine: dict[str, Answer]) -> None:
    """Have one answer after the other, each under its part of the viewers, until everything has been restarted."""
    many, count = VIEWERS // len(TALKS), 0
    while not over.is_set():
        count += 1
        one = Question(f"{QUESTION} ({name}.{count})", 0.0, ("sse",) * many, (PATIENT,) * many, None)
        await ask(one, visitor, observer, mine)


def restart(cluster: Cluster) -> None:
    """Restart web processes, workers and Redis, each once the one before is back."""
    for name, process in cluster.processes.items():
        if name != "provider":
            began = time.monotonic()
            process.end()
            process.start()
            logger.info("%s was restarted in %.1f s", name, time.monotonic() - began)
    cluster.redis.kill()
    cluster.redis.start()


def browse(url: str, there: threading.Event, over: threading.Event, seen: dict[str, str]) -> None:
    """Open several tabs, ask in them again and again, and note what each shows in the end."""
    with chromium() as browser:
        tabs = {name: Component(browser.new_context().new_page(), url) for name in TABS}
        for tab in tabs.values():
            sign_in(tab)
            tab.page.goto(f"{url}/component/")
            tab.until(lambda tab=tab: tab.messages() is not None)
        there.set()
        while not over.is_set():
            asked = {f"{QUESTION} ({name}.{len(seen)})": tab for name, tab in tabs.items()}
            for question, tab in asked.items():
                tab.ask(question)
            seen |= {question: tab.ended() for question, tab in asked.items()}
