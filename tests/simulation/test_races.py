"""Stop, complete and crash race, statement by statement: there is one ending, and it is true.

`make simulation RUNS=10000` runs so many races.
"""

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from django.db import OperationalError
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from converse_stream.feed.reading import snapshot
from converse_stream.models import Conversation, Message, Status, opening
from converse_stream.models.leases import end_lost
from converse_stream.recorder import Outbox
from tests.simulation import oracle
from tests.simulation.onlookers import Viewing
from tests.simulation.oracle import Answer, Writing
from tests.simulation.processes import SteppedRecorder, heard_by
from tests.simulation.stage import Actor, Stage, stage
from tests.simulation.world import World

RUNS = int(os.environ.get("RUNS", "100"))
EXPLORES = "RUNS" in os.environ
LOOKS = 3

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120 + 5 * RUNS)]


class Race:
    """One message, its writer, who stops it, who takes its writer for dead, and who follows it."""

    def __init__(self, *, is_frozen: bool, ending: str) -> None:
        message = opening.live(provider="", model="", metadata={})
        opening.insert(Conversation.objects.create(), [message])
        self.answer = Answer(message.pk, message.conversation_id)
        self.recorder = SteppedRecorder()
        self.writing = Writing(None, Outbox(message), 1)
        self.answer.writings.append(self.writing)
        self.recorder.open(self.writing.outbox)
        self.ending = ending
        if is_frozen:
            self.expire()
        self.viewing = Viewing(self.answer, 0)
        self.observe()

    def expire(self) -> None:
        before = timezone.now() - timedelta(seconds=31)
        Message.objects.filter(pk=self.answer.message_id).update(lease_expires_at=before)

    def observe(self) -> None:
        oracle.read([self.answer])

    # The actors.

    def write(self) -> bool:
        """Say something, then the rest and the ending; return whether it was the ending."""
        self.writing.say("text", 3)
        self.recorder.note(self.writing.outbox)
        self.recorder.write()
        if not self.writing.outbox.is_closed:
            self.writing.say("data", 1)
            self.writing.say("text", 2)
            self.writing.end(self.ending)
            self.recorder.note(self.writing.outbox)
            self.recorder.write()
        return self.writing.outbox.ended_as is not None

    def stop(self) -> bool:
        self.answer.stops += 1
        return bool(insisting(lambda: Message.objects.get(pk=self.answer.message_id).cancel()))

    def recover(self) -> bool:
        return bool(insisting(lambda: end_lost([self.answer.message_id])))

    def follow(self) -> None:
        for _ in range(LOOKS):
            self.look()

    def look(self) -> None:
        """Look at the message as a viewer who comes back with its cursor."""
        if not self.viewing.ending:
            for event in snapshot(self.answer.message_id, self.viewing.position).all:
                self.viewing.take(event)

    # What must be so afterwards.

    def check(self, endings: list[bool | None]) -> None:
        """Compare with what each of those was told who may have ended it; None for whoever was killed."""
        self.observe()
        if self.answer.ending is None:
            assert not any(endings), "somebody is wrong to think that it has ended"
            self.expire()
            self.observe()
            endings = [*endings, self.recover()]
            self.observe()
        assert self.answer.ending, "it does not end"
        assert endings.count(True) == 1 or (None in endings and True not in endings), "two have ended it, or nobody"
        if endings[0] is not None:
            self.writing.check(self.answer.ending)
        self.look()
        assert self.viewing.seen == self.answer.stored


def insisting(act: Callable[[], Any]) -> Any:
    """Do something again until nobody is in the way."""
    while True:
        try:
            return act()
        except OperationalError:
            continue


@hypothesis.settings(
    max_examples=RUNS,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=not EXPLORES,
    print_blob=True,
)
@given(
    order=st.lists(st.integers(0, 3), min_size=15, max_size=60),
    victim=st.sampled_from([None, 0, 0, 1, 2]),
    dies_at=st.integers(0, 20),
    is_frozen=st.booleans(),
    ending=st.sampled_from([Status.COMPLETE, Status.COMPLETE, Status.FAILED]),
)
def race(scene: Stage, order: list[int], victim: int | None, dies_at: int, is_frozen: bool, ending: str) -> None:
    World.forget()
    race = Race(is_frozen=is_frozen, ending=ending)
    acts = [race.write, race.stop, race.recover, race.follow]
    actors = [Actor(act, dies_at if index == victim else None) for index, act in enumerate(acts)]
    scene.run(actors, order, race.observe)
    *endings, _ = [actor.result for actor in actors]
    race.check(endings)


def test_stop_complete_and_crash_give_one_true_ending(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "converse_stream")
    with heard_by(), stage(actors=4) as scene:
        race(scene)
    World.forget()
