"""A site of many processes, broken at random under its viewers: nothing is lost, and every answer ends once.

`make chaos RUNS=300` breaks it more often, and says which SEED repeats the run that failed.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.chaos.asking import ask
from tests.chaos.breaking import Breaker, Wires
from tests.chaos.checker import DEADLY, TOLD_WITHIN, check, deaths
from tests.chaos.observer import Observer
from tests.chaos.plan import Fault, Plan, plan
from tests.chaos.record import Answer
from tests.chaos.visitors import Visitor
from tests.cluster.cluster import running

RUNS = int(os.environ.get("RUNS", "1"))
LEASE = float(os.environ.get("LEASE", "5"))
SEED = int(os.environ.get("SEED", "3000"))
ENDS_WITHIN = 120.0
"""Seconds in which everybody has seen every ending, whatever happened: a task may be lost again and again."""
LASTS = 5.0
"""Seconds after which a run is joined by the next."""
logger = logging.getLogger("chaos")
logger.setLevel(logging.INFO)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + ENDS_WITHIN + RUNS * 25)]


async def test_nothing_is_lost_and_every_answer_ends_once_whatever_breaks() -> None:
    logger.info("%d runs at a lease of %g s, from SEED=%d on", RUNS, LEASE, SEED)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="converse-chaos-")))
        wires = Wires(stack)
        site = running(directory, wire=wires, DJANGO_SETTINGS_MODULE="tests.chaos.settings", LEASE=str(LEASE))
        cluster = await asyncio.to_thread(stack.enter_context, site)
        async with Visitor.signed_in(cluster) as visitor:
            chaos = Chaos(visitor, Breaker(cluster, wires), Observer(cluster.postgres.url, cluster.calls))
            wrong = await chaos.go_on([plan(SEED + number, LEASE) for number in range(RUNS)])
        await asyncio.to_thread(stack.close)
    for line in chaos.figures():
        logger.info(line)
    assert not wrong, "\n".join(wrong)


class Chaos:
    """Plans on their way, and what was found wrong."""

    def __init__(self, visitor: Visitor, breaker: Breaker, observer: Observer) -> None:
        self.visitor = visitor
        self.breaker = breaker
        self.observer = observer
        self.wrong: list[str] = []

    async def go_on(self, plans: Sequence[Plan]) -> list[str]:
        """Let everything in these plans happen. Return what is wrong."""
        looking = asyncio.create_task(self.observer.go_on())
        async with asyncio.TaskGroup() as runs:
            for one in plans:
                run = runs.create_task(self._run(one))
                await asyncio.wait([run], timeout=LASTS)
                if any(fault.target.startswith("worker") and fault.deed in DEADLY for fault in one.faults):
                    await run  # what is told of the dead is timed, so it is not made harder
        looking.cancel()
        return self.wrong

    async def _run(self, one: Plan) -> None:
        began, mine = time.time(), dict[str, Answer]()
        try:
            async with asyncio.timeout(ENDS_WITHIN), asyncio.TaskGroup() as events:
                for fault in one.faults:
                    events.create_task(self._break(fault))
                for question in one.questions:
                    events.create_task(ask(question, self.visitor, self.observer, mine))
        except TimeoutError:
            self.wrong.append(f"not all has ended within {ENDS_WITHIN:g} s")
        await asyncio.to_thread(self.observer.look_again, mine)
        blows = [blow for blow in self.breaker.blows if blow.ended > began]
        found = [sentence for answer in mine.values() for sentence in check(answer, blows, LEASE)]
        if found:
            again = f"make chaos LEASE={LEASE:g} SEED={one.seed} RUNS=1"
            found += [*map(str, blows), f"{again}, or SEED={SEED} RUNS={one.seed - SEED + 1} with those before it"]
            logger.error("\n".join(found))
            self.wrong += found
        told = Counter(answer.ended.status for answer in mine.values() if answer.ended)
        logger.info("%d: %s: %s", one.seed, [f"{fault.target} {fault.deed}" for fault in one.faults], dict(told))

    async def _break(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        await self.breaker.strike(fault)

    def figures(self) -> Iterator[str]:
        """Say what happened in all, for whoever reads the log."""
        answers = self.observer.answers.values()
        ended = Counter(f"{row.status} {row.error_code}".strip() for answer in answers if (row := answer.ended))
        viewings = [viewing for answer in answers for viewing in answer.viewings]
        seen = sum(len(event.get("text", "")) for one in viewings for link in one.connections for event in link.events)
        yield f"{len(answers)} answers: {dict(ended)}"
        yield f"{len(viewings)} viewers, {sum(len(one.connections) for one in viewings)} connections, {seen} characters"
        yield f"{dict(Counter(f'{blow.target} {blow.deed}' for blow in self.breaker.blows))}"
        took = sorted(one for answer in answers for one in deaths(answer, self.breaker.blows, LEASE))
        if took:
            hindered = sum(bound > TOLD_WITHIN for _, bound in took)
            yield f"{len(took)} writers died; told after {', '.join(f'{seconds:.1f}' for seconds, _ in took)} s"
            yield f"{hindered} of them while those who look were hit, too"
