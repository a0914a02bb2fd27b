"""Whatever happens, and in whatever order: the promises hold.

Writers, viewers, recovery, stops, deletions, faults of the database and of the hints, in steps that are chosen at
random, by processes without threads. `make simulation RUNS=10000` makes so many runs.
"""

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import cycle

import hypothesis
import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from converse_stream.models import Status
from tests.simulation import oracle
from tests.simulation.line import Line
from tests.simulation.onlookers import Onlooker
from tests.simulation.oracle import Answer, Writing
from tests.simulation.processes import Network, Process, Queue, surroundings
from tests.simulation.world import World

RUNS = int(os.environ.get("RUNS", "100"))
EXPLORES = "RUNS" in os.environ
"""Whether each run is a new one; the ordinary suite takes the same each time."""
STEPS = 40
CALM = 4
"""Steps between two blows."""
AT_ONCE = 3
"""Answers that are being written; where one is lost, another may begin."""
MOST_ANSWERS = 10
MOST_VIEWERS = 6
SETTINGS: dict[str, object] = {
    "LEASE": 600,  # longer than any run takes
    "BROKER": "tests.simulation.processes.Network",
    "RUNNER": "tests.simulation.processes.Queue",
}
FAULTS = ["", "", "", "refused", "unheard", "killed before", "killed after", "away behind"]

LIFE = ["say", "say", "commit", "commit", "view", "view", "complete", "deliver", "stop", ""]
HAPPENS = {"stored": 2.0, "complete": 0.5, "cancelled": 0.3, "worker_lost": 0.3, "come back": 0.3, "taken over": 0.3}
"""How often this has to come about in a run, on average: otherwise the runs would show little."""
logger = logging.getLogger("simulation")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120 + 5 * RUNS)]

anyone = st.integers(0, 11)
"""One of those there are; of how many, only the run knows."""
word = st.tuples(st.sampled_from(["text", "text", "reasoning", "data"]), st.integers(1, 4))


class Simulation(RuleBasedStateMachine):
    """One run."""

    line: Line

    def __init__(self) -> None:
        super().__init__()
        World.forget()
        self.world = World(self.line)
        self.steps, self.struck_at, self.life = 0, 0, cycle([""])

    @initialize(
        retention=st.sampled_from([3600, 3600, 0]),
        waits=st.booleans(),
        viewers=st.lists(anyone, min_size=1, max_size=3),
        life=st.lists(st.sampled_from(LIFE), min_size=5, max_size=15),
    )
    def open(self, retention: int, waits: bool, viewers: list[int], life: list[str]) -> None:
        self.life = cycle(life)
        settings.CONVERSE_STREAM = SETTINGS | {"CHUNK_RETENTION": retention}
        self.world.begin(self.process(0), None, waits=False)
        self.world.begin(self.process(1), None, waits=waits)
        for viewer in viewers:
            self.world.join(self.process(viewer), self.answer(viewer), 0)

    @property
    def has_answers(self) -> bool:
        return bool(self.world.present)

    def process(self, index: int) -> Process:
        return self.world.processes[index % len(self.world.processes)]

    def answer(self, index: int) -> Answer:
        return self.world.present[index % len(self.world.present)]

    @property
    def is_calm(self) -> bool:
        """Whether there was time for something to come about since the last blow."""
        return self.has_answers and self.steps - self.struck_at > CALM

    def onlooker(self, index: int, *, is_there: bool) -> Onlooker | None:
        found = [one for one in self.world.onlookers if not one.is_over and bool(one.process) == is_there]
        return found[index % len(found)] if found else None

    # Writers.

    @precondition(lambda self: len(self.world.speaking) < AT_ONCE and len(self.world.answers) < MOST_ANSWERS)
    @rule(process=anyone, beside=st.none() | anyone, waits=st.booleans())
    def begin(self, process: int, beside: int | None, waits: bool) -> None:
        other = None if beside is None or not self.has_answers else self.answer(beside)
        self.world.begin(self.process(process), other, waits=waits)

    @precondition(lambda self: Queue.sent)
    @rule(process=anyone, index=anyone, again=st.booleans())
    def deliver_a_task(self, process: int, index: int, again: bool) -> None:
        self.world.deliver(self.process(process), index % len(Queue.sent), again=again)

    @precondition(lambda self: len(self.world.speaking) < AT_ONCE and 0 < len(self.world.answers) < MOST_ANSWERS)
    @rule(first=anyone, second=anyone)
    def take_over(self, first: int, second: int) -> None:
        self.world.take_over(self.process(first), self.process(second))

    @precondition(lambda self: self.world.speaking)
    @rule(writer=anyone, saying=word)
    def say(self, writer: int, saying: tuple[str, int]) -> None:
        _, writing = self.world.speaking[writer % len(self.world.speaking)]
        self.world.say(writing, *saying)

    @precondition(lambda self: self.world.speaking)
    @rule(writer=anyone, saying=st.lists(word, min_size=1, max_size=3), fault=st.sampled_from(FAULTS))
    def say_and_commit(self, writer: int, saying: list[tuple[str, int]], fault: str) -> None:
        _, writing = self.world.speaking[writer % len(self.world.speaking)]
        for kind, length in saying:
            self.world.say(writing, kind, length)
        self.world.write(writing.process, fault)

    @precondition(lambda self: self.world.speaking)
    @rule(writer=anyone, saying=word, fault=st.sampled_from(FAULTS))
    def complete(self, writer: int, saying: tuple[str, int], fault: str) -> None:
        _, writing = self.world.speaking[writer % len(self.world.speaking)]
        self.world.say(writing, *saying)
        self.world.end(writing, Status.COMPLETE)
        self.world.write(writing.process, fault)

    @precondition(lambda self: self.world.speaking)
    @rule(writer=anyone, status=st.sampled_from([Status.COMPLETE, Status.COMPLETE, Status.FAILED]))
    def end(self, writer: int, status: str) -> None:
        _, writing = self.world.speaking[writer % len(self.world.speaking)]
        self.world.end(writing, status)

    @precondition(lambda self: self.world.writings)
    @rule(writer=anyone, fault=st.sampled_from(FAULTS))
    def commit(self, writer: int, fault: str) -> None:
        _, writing = self.world.writings[writer % len(self.world.writings)]
        self.world.write(writing.process, fault)

    @precondition(lambda self: self.world.writings)
    @rule(writer=anyone)
    def look_after_messages(self, writer: int) -> None:
        _, writing = self.world.writings[writer % len(self.world.writings)]
        self.world.look(writing.process)

    @rule(process=anyone)
    def follow_up_endings(self, process: int) -> None:
        self.world.publish(self.process(process))

    @precondition(lambda self: any(writing.outbox.lost for _, writing in self.world.writings))
    @rule(writer=anyone)
    def fill_in_figures(self, writer: int) -> None:
        lost = [writing for _, writing in self.world.writings if writing.outbox.lost]
        self.world.fill_in(lost[writer % len(lost)])

    # What befalls them.

    @precondition(lambda self: self.is_calm)
    @rule(process=anyone)
    def crash(self, process: int) -> None:
        self.struck_at = self.steps
        self.world.crash(self.process(process))

    @precondition(lambda self: self.is_calm)
    @rule(answer=anyone, seconds=st.sampled_from([1, 31]))
    def let_a_lease_run_out(self, answer: int, seconds: float) -> None:
        self.struck_at = self.steps
        self.world.expire(self.answer(answer), seconds)

    @precondition(lambda self: self.has_answers)
    @rule(process=anyone, later=st.booleans())
    def recover(self, process: int, later: bool) -> None:
        self.world.recover(self.process(process), is_later=later)

    @precondition(lambda self: self.is_calm)
    @rule(process=anyone, answer=anyone, fault=st.sampled_from(FAULTS))
    def stop(self, process: int, answer: int, fault: str) -> None:
        self.struck_at = self.steps
        self.world.stop(self.process(process), self.answer(answer), fault)

    @precondition(lambda self: self.is_calm and len(self.world.answers) + 2 <= MOST_ANSWERS)
    @rule(process=anyone, elsewhere=anyone)
    def lose_the_line_while_one_of_two_is_stopped(self, process: int, elsewhere: int) -> None:
        """What one of two messages says is committed, and then nobody can ask what has become of the other."""
        self.struck_at = self.steps
        for _ in range(2):
            self.world.begin(self.process(process), None, waits=False)
        for _, writing in self.world.writings[-2:]:
            self.world.say(writing, "text", 2)
        self.world.stop(self.process(elsewhere), self.world.answers[-1])
        self.world.write(self.process(process), "away behind")

    @precondition(lambda self: self.is_calm)
    @rule(process=anyone, answer=anyone, whole=st.booleans())
    def delete(self, process: int, answer: int, whole: bool) -> None:
        self.struck_at = self.steps
        self.world.delete(self.process(process), self.answer(answer), whole=whole)

    @precondition(lambda self: self.has_answers)
    @rule(answer=anyone)
    def prune(self, answer: int) -> None:
        self.world.prune(self.answer(answer))

    @precondition(lambda self: Network.under_way)
    @rule(index=anyone, fate=st.sampled_from(["delivered", "delivered", "doubled", "lost"]))
    def hint(self, index: int, fate: str) -> None:
        index %= len(Network.under_way)
        if fate == "lost":
            del Network.under_way[index]
        else:
            Network.deliver(index, again=fate == "doubled")

    @precondition(lambda self: self.has_answers)
    @rule(
        reads=st.integers(0, 3),
        process=anyone,
        answer=anyone,
        what=st.sampled_from(["commit", "stop", "prune", "delete", "read"]),
    )
    def interrupt_the_next_reads(self, reads: int, process: int, answer: int, what: str) -> None:
        """Between two of the next reads of somebody, somebody else does this."""
        at, of = self.process(process), self.answer(answer)
        happenings: dict[str, Callable[[], None]] = {
            "commit": partial(self.world.write, at),
            "stop": partial(self.world.stop, at, of),
            "prune": partial(self.world.prune, of),
            "delete": partial(self.world.delete, at, of, whole=False),
            "read": partial(self.world.read, at, polls=True),
        }
        self.world.line.interrupt(reads, happenings[what])

    @precondition(lambda self: self.is_calm and self.world.speaking)
    @rule(writer=anyone, process=anyone, reads=st.integers(0, 3))
    def recover_while_its_writer_goes_on(self, writer: int, process: int, reads: int) -> None:
        """A lease has run out, and while somebody finds that out its writer commits."""
        self.struck_at = self.steps
        answer, writing = self.world.speaking[writer % len(self.world.speaking)]
        self.world.say(writing, "text", 2)
        self.world.expire(answer, 31)
        self.world.line.interrupt(reads, partial(self.world.write, writing.process))
        self.world.recover(self.process(process))

    @precondition(lambda self: self.world.speaking)
    @rule(writer=anyone, reads=st.integers(0, 3), ends=st.booleans(), elsewhere=st.booleans())
    def read_while_its_writer_goes_on(self, writer: int, reads: int, ends: bool, elsewhere: bool) -> None:
        """Between two reads for the viewers of a message its writer commits, in the same process or elsewhere."""
        _, writing = self.world.speaking[writer % len(self.world.speaking)]
        for kind in ("text", "data", "text"):
            self.world.say(writing, kind, 2)
        if ends:
            self.world.end(writing, Status.COMPLETE)
        self.world.line.interrupt(reads, partial(self.world.write, writing.process))
        here = self.world.processes.index(writing.process)
        self.world.read(self.process(here + elsewhere), polls=True)

    # Viewers.

    @precondition(lambda self: self.has_answers and len(self.world.onlookers) < MOST_VIEWERS)
    @rule(process=anyone, answer=anyone, stray=st.sampled_from([0, 0, 0, 2]))
    def join(self, process: int, answer: int, stray: int) -> None:
        of = self.answer(answer)
        self.world.join(self.process(process), of, len(of.stored) + stray if stray else 0)

    @precondition(lambda self: self.onlooker(0, is_there=True))
    @rule(viewer=anyone, most=st.sampled_from([1, 2, 100, 100, 100]))
    def view(self, viewer: int, most: int) -> None:
        onlooker = self.onlooker(viewer, is_there=True)
        assert onlooker
        self.world.view(onlooker, most)

    @precondition(lambda self: self.onlooker(0, is_there=True))
    @rule(viewer=anyone, unseen=st.integers(0, 2))
    def leave(self, viewer: int, unseen: int) -> None:
        onlooker = self.onlooker(viewer, is_there=True)
        assert onlooker
        onlooker.leave()
        onlooker.viewing.forget(unseen)

    @precondition(lambda self: self.onlooker(0, is_there=False))
    @rule(viewer=anyone, process=anyone)
    def come_back(self, viewer: int, process: int) -> None:
        onlooker = self.onlooker(viewer, is_there=False)
        assert onlooker
        self.world.come_back(self.process(process), onlooker)

    @rule(process=anyone, polls=st.booleans(), looks_at_leases=st.booleans())
    def read(self, process: int, polls: bool, looks_at_leases: bool) -> None:
        self.world.read(self.process(process), polls=polls, looks_at_leases=looks_at_leases)

    # Hypothesis leaves out half of the rules in each run: without life beside them little would come about.

    def check_invariants(self, *arguments: object, **options: object) -> None:
        super().check_invariants(*arguments, **options)
        self.world.check()
        self.steps += 1
        self.live_on(next(self.life))
        self.world.check()

    def live_on(self, deed: str) -> None:
        """Do what goes on all the time, whatever befalls it."""
        if not self.world.speaking:
            if 0 < len(self.world.answers) < MOST_ANSWERS:
                self.begin_another()
        elif deed in ("say", "complete", "stop"):
            self.go_on(*self.world.speaking[self.steps % len(self.world.speaking)], deed)
        if deed == "commit":
            self.write_all()
        elif deed == "view":
            self.look_on()
        elif deed == "deliver" and Queue.sent:
            self.world.deliver(self.process(self.steps), self.steps % len(Queue.sent), again=True)

    def go_on(self, answer: Answer, writing: Writing, deed: str) -> None:
        if deed == "stop":
            self.world.stop(self.process(self.steps), answer)
            return
        self.world.say(writing, "text", 2)
        if deed == "complete":
            self.world.end(writing, Status.COMPLETE)

    def begin_another(self) -> None:
        if self.steps % 3:
            self.world.begin(self.process(self.steps), None, waits=False)
        else:
            self.world.take_over(self.process(self.steps), self.process(self.steps + 1))
        self.world.join(self.process(self.steps + 1), self.world.present[-1], 0)

    def write_all(self) -> None:
        for process in self.world.processes:
            self.world.write(process)

    def look_on(self) -> None:
        for process in self.world.processes:
            self.world.read(process, polls=False)
        for onlooker in self.world.onlookers:
            if not onlooker.process and not onlooker.is_over:
                self.world.come_back(self.process(self.steps), onlooker)
            if onlooker.process:
                self.world.view(onlooker)
            if not self.steps % 3:
                onlooker.leave()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.world.settle()


def test_no_promise_is_broken_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "converse_stream")
    chosen = hypothesis.settings(
        max_examples=RUNS,
        stateful_step_count=STEPS,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not EXPLORES,
        print_blob=True,
    )
    Simulation.line = Line()
    with surroundings(Simulation.line), override_settings(CONVERSE_STREAM=SETTINGS):
        oracle.happened.clear()
        run_state_machine_as_test(Simulation, settings=chosen)
        World.forget()
    logger.info("%d runs: %s", RUNS, dict(oracle.happened))
    for what, least in HAPPENS.items():
        assert oracle.happened[what] >= least * RUNS, f"too little of {what!r} has happened: {oracle.happened}"
