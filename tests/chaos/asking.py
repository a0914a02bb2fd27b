"""An answer under its viewers, from the question until everybody has seen the ending, and somebody else once more."""

import asyncio

from tests.chaos.observer import Observer
from tests.chaos.plan import Question
from tests.chaos.record import Answer
from tests.chaos.visitors import Visitor

PATIENT = 3600.0


async def ask(question: Question, visitor: Visitor, observer: Observer, mine: dict[str, Answer]) -> None:
    """Ask, look and stop as the question says. `mine` gets the record as soon as the question is accepted."""
    await asyncio.sleep(question.asked_at)
    message_id = await visitor.ask(question.content)
    answer = mine[message_id] = observer.answers[message_id] = Answer(question.content)
    answer.was_stopped = question.stopped_after is not None
    async with asyncio.TaskGroup() as viewers:
        for kind, patience in zip(question.viewers, question.patience, strict=True):
            viewers.create_task(visitor.view(message_id, answer.viewing(kind), patience))
        if question.stopped_after is not None:
            viewers.create_task(_stop(message_id, visitor, question.stopped_after))
    await visitor.view(message_id, answer.viewing("sse"), PATIENT)
    await observer.has_seen_the_end(answer)


async def _stop(message_id: str, visitor: Visitor, after: float) -> None:
    await asyncio.sleep(after)
    await visitor.stop(message_id)
