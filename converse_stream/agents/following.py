"""Following a crew: its tasks one after another, each as it is written. Any number of viewers, from any process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any

from converse_stream.agents.progress import TASK, result_of
from converse_stream.asking import check_answer
from converse_stream.events import Event
from converse_stream.models import Message, Status

_HAPPENS = frozenset({"text", "reasoning", "tool_call", "tool_result", "data"})


@dataclass(frozen=True, slots=True)
class CrewEvent:
    """One thing that happened in a task of a crew."""

    task_index: int
    """From 0 on."""
    task: str
    """The task's description."""
    agent: str
    """The role of the agent who does it."""
    message_id: str
    """The agent's message."""
    chunk: str = ""
    """A piece of the answer; empty for an event of another kind."""
    is_streaming: bool = False
    is_complete: bool = False
    """Whether the task is done."""
    response: str = ""
    """The whole result, once the task is done."""
    event: Event | None = None
    """The event in the agent's message, also of reasoning and tools; None when the task is done."""


def follow_crew(message: Message, *, timeout: float | None = None) -> Generator[CrewEvent, None, None]:
    """Follow a crew's message, and in it each agent's, to the ending.

    Raise what the crew failed with, AnswerStopped if somebody has stopped it, TimeoutError when nothing happened
    for `timeout` seconds.
    """
    told: set[str] = set()
    with closing(message.follow(timeout=timeout)) as events:
        for event in events:
            value = _news(event, told)
            if value is None:
                continue
            turn = Message.objects.get(pk=value["message"])
            with closing(turn.follow(timeout=timeout)) as happening:
                for each in happening:
                    yield from _told(value, each)
            turn.refresh_from_db()
            yield from _done(value, turn)
    message.refresh_from_db()
    check_answer(message)


async def afollow_crew(message: Message, *, timeout: float | None = None) -> AsyncGenerator[CrewEvent, None]:  # noqa: ASYNC109 - the twin of follow_crew
    """Follow as `follow_crew` does, from async code."""
    told: set[str] = set()
    async with aclosing(message.afollow(timeout=timeout)) as events:
        async for event in events:
            value = _news(event, told)
            if value is None:
                continue
            turn = await Message.objects.aget(pk=value["message"])
            async with aclosing(turn.afollow(timeout=timeout)) as happening:
                async for each in happening:
                    for said in _told(value, each):
                        yield said
            turn = await Message.objects.aget(pk=turn.pk)
            for said in _done(value, turn):
                yield said
    ended = await Message.objects.aget(pk=message.pk)
    check_answer(ended)


def _news(event: Event, told: set[str]) -> Mapping[str, Any] | None:
    """Return what an event says of a task, if its agent's message has not been followed yet."""
    if event.kind != "data" or event.data["name"] != TASK:
        return None
    value: Mapping[str, Any] = event.data["value"]
    if value["message"] in told:
        return None
    told.add(value["message"])
    return value


def _told(value: Mapping[str, Any], event: Event) -> Iterator[CrewEvent]:
    if event.kind in _HAPPENS:
        yield CrewEvent(*_of(value), chunk=event.text, is_streaming=True, event=event)


def _done(value: Mapping[str, Any], turn: Message) -> Iterator[CrewEvent]:
    if turn.status == Status.COMPLETE:
        yield CrewEvent(*_of(value), is_complete=True, response=result_of(turn))


def _of(value: Mapping[str, Any]) -> tuple[int, str, str, str]:
    return value["index"], value["task"], value["agent"], value["message"]
