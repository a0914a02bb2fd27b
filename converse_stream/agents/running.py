"""Running a crew: the generation of its message, and of each agent's in it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import async_to_sync
from django.utils import timezone

from converse_stream.agents.progress import TASK, Done, Progress
from converse_stream.agents.task import Task
from converse_stream.database import run
from converse_stream.exceptions import BY_CODE, InternalError
from converse_stream.generation import Generation
from converse_stream.generation.running import Caller, in_caller, in_thread
from converse_stream.models import Message, Status
from converse_stream.models.endings import cancel
from converse_stream.models.opening import insert
from converse_stream.prompts import PromptMessage
from converse_stream.writer import PrismStream, announce_start

if TYPE_CHECKING:
    from converse_stream.agents.agent import Agent

RESTORED_BY = "converse_stream.agents.queued.restore"
Describe: TypeAlias = Callable[[Generation], dict[str, Any] | None]
"""Tells a generation that is no more than one as JSON."""
logger = logging.getLogger("converse_stream")


@dataclass(frozen=True, slots=True)
class Turn:
    """One agent at one task: what is needed to write its message, which is not saved yet."""

    index: int
    task: Task
    agent: Agent
    generation: Generation

    @property
    def title(self) -> tuple[str, str]:
        """What is done, and by whom."""
        return self.task.description, self.agent.role

    def described(self, describe: Describe) -> dict[str, Any] | None:
        """Return this as JSON, or None if another process could not find its model or its callback."""
        task, agent, callback = self.task, self.agent, self.task.callback_path
        generation = describe(self.generation)
        if generation is None or callback is None:
            return None
        return {
            "task": {"description": task.description, "expected_output": task.expected_output, "callback": callback},
            "agent": {"role": agent.role, "goal": agent.goal, "backstory": agent.backstory},
            "generation": generation,
        }

    def told(self, message: Message, status: str) -> dict[str, Any]:
        """Return what the crew's message says of it."""
        task, agent = self.title
        return {"index": self.index, "task": task, "agent": agent, "message": str(message.pk), "status": status}


@dataclass(slots=True)
class CrewGeneration(Generation):
    """What is needed to write a crew's message: data on which task has begun and which is done, then the result."""

    turns: Sequence[Turn] = ()
    request: str = ""
    """What the user asked for."""
    progress: Progress = field(default_factory=Progress)
    """What an earlier run has done."""

    @property
    def is_async(self) -> bool:
        """Whether this runs in an event loop."""
        return True

    def described(self, describe: Describe) -> dict[str, Any] | None:
        """Return this as JSON for another process, if each turn can be told; see `agents.queued`."""
        turns = [turn.described(describe) for turn in self.turns]
        if None in turns:
            return None
        done = [str(each.message.pk) for each in self.progress.done]
        said = list(self.progress.said)
        return {"restored_by": RESTORED_BY, "request": self.request, "turns": turns, "done": done, "said": said}

    def run(self, stream: PrismStream) -> None:
        """Do the tasks from sync code. An error of an agent's message is the crew's, and is raised."""
        with stream:
            done = list(self.progress.done)
            for turn, earlier in zip(self.turns, done, strict=False):
                stream.data(TASK, turn.told(earlier.message, Status.COMPLETE))
            for turn in self.turns[len(done) :]:
                generation = self._opened(turn, done)
                stream.data(TASK, turn.told(generation.message, Status.STREAMING))
                generation.run(stream.beside(generation.message))
                done.append(_ended(generation.message))
                stream.data(TASK, turn.told(generation.message, Status.COMPLETE))
                async_to_sync(_call_back)(turn.task, generation.message, in_caller)
            stream.append(done[-1].result)

    async def arun(self, stream: PrismStream) -> None:
        """Do the tasks from async code, as `run` does. Whoever stops an agent's message stops the crew."""
        async with stream:
            done = list(self.progress.done)
            for turn, earlier in zip(self.turns, done, strict=False):
                await stream.adata(TASK, turn.told(earlier.message, Status.COMPLETE))
            for turn in self.turns[len(done) :]:
                generation = await _whole(run(self._opened, turn, done))
                await self._write(turn, generation, stream)
                if generation.message.status == Status.CANCELLED:
                    await stream.acancel()
                    return
                done.append(_ended(generation.message))
                await stream.adata(TASK, turn.told(generation.message, Status.COMPLETE))
                await _call_back(turn.task, generation.message, in_thread)
            await stream.aappend(done[-1].result)

    def _opened(self, turn: Turn, done: Sequence[Done]) -> Generation:
        """Return a turn's generation, whose message is saved by now."""
        generation = turn.generation
        message, crew = generation.message, self.message
        task, agent = turn.title
        message.metadata |= {"crew": {"message": str(crew.pk), "index": turn.index, "task": task, "agent": agent}}
        message.started_at = timezone.now()
        asked = turn.task.prompt(self.request, [(self.turns[i].task, each.result) for i, each in enumerate(done)])
        generation.prompt = [_text("system", turn.agent.system), _text("user", asked)]
        if self.progress.said and turn.index == len(self.progress.done):
            generation.prompt.append(PromptMessage("assistant", self.progress.said))
        insert(crew.conversation, [message], parent=crew, within=crew)
        announce_start(message)
        return generation

    async def _write(self, turn: Turn, generation: Generation, stream: PrismStream) -> None:
        """Write an agent's message. If the crew's is stopped meanwhile, so is this one."""
        loop, tasks = asyncio.get_running_loop(), list[asyncio.Task[None]]()

        def interrupt() -> None:
            for task in tasks:
                loop.call_soon_threadsafe(task.cancel)

        message = generation.message
        try:
            await stream.adata(TASK, turn.told(message, Status.STREAMING))
            tasks.append(asyncio.create_task(generation.arun(stream.beside(message, on_closed=interrupt))))
            await asyncio.wait(tasks)
        finally:
            if not all(task.done() for task in tasks) or not tasks:
                await asyncio.shield(_stop(message, tasks, is_stopped=stream.was_stopped))
        with suppress(asyncio.CancelledError):  # it was stopped by itself
            tasks[0].result()
        if message.is_live:
            await run(message.refresh_from_db)


async def _whole(opening: Awaitable[Generation]) -> Generation:
    """Wait for a turn to be saved, also where the crew is stopped meanwhile: then the turn is, too."""
    opened = asyncio.ensure_future(opening)
    try:
        return await asyncio.shield(opened)
    except asyncio.CancelledError:
        await asyncio.wait([opened])
        if not opened.cancelled() and opened.exception() is None:
            await asyncio.shield(run(cancel, opened.result().message))
        raise


async def _stop(message: Message, tasks: Sequence[asyncio.Task[None]], *, is_stopped: bool) -> None:
    if is_stopped or not tasks:
        await run(cancel, message)  # its writer finds out, and is cancelled
    else:
        for task in tasks:
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _ended(message: Message) -> Done:
    """Return a turn that is done. Raise what it has failed with."""
    if message.status != Status.COMPLETE:
        raise BY_CODE.get(message.error_code, InternalError)(f"the agent's message {message.pk} is {message.status}")
    return Done(message)


async def _call_back(task: Task, message: Message, caller: Caller) -> None:
    if task.callback is None:
        return
    callback = task.callback
    try:
        said = callback(message) if inspect.iscoroutinefunction(callback) else await caller(lambda: callback(message))
        if asyncio.iscoroutine(said):
            await said
    except Exception:
        logger.exception("message %s: the callback of its task failed", message.pk)


def _text(role: str, text: str) -> PromptMessage:
    return PromptMessage(role, [{"type": "text", "text": text}])
