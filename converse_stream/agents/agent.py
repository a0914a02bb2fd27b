"""Agent: a role in which a model works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converse_stream.agents import crew
from converse_stream.agents.following import CrewEvent
from converse_stream.agents.task import Request, Task
from converse_stream.models import Message
from converse_stream.registry import Model


@dataclass(frozen=True, slots=True)
class Agent:
    """Who works, to what end, with which model and which tools."""

    role: str
    goal: str
    model: Model | None = None
    """The conversation's, or else DEFAULT_MODEL, if None."""
    tools: Sequence[Any] = ()
    """As `tools` of `ask`."""
    backstory: str = ""
    """What else it should know of itself."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Temperature and the like."""

    def __post_init__(self) -> None:
        if not isinstance(self.role, str) or not self.role.strip():
            raise ValueError("an agent needs a role")

    @property
    def system(self) -> str:
        """What its model is told before everything else."""
        known = [f"You are {self.role}.", f"Your goal: {self.goal}" if self.goal else "", self.backstory]
        return "\n".join(filter(None, known))

    def stream(self, task: Task, prompt: Request = None, **options: Any) -> Generator[CrewEvent, None, None]:
        """Do one task, and yield what happens; takes what `Crew.stream` takes."""
        return crew.Crew([self], [task]).stream(prompt, **options)

    def astream(self, task: Task, prompt: Request = None, **options: Any) -> AsyncGenerator[CrewEvent, None]:
        """Yield as `stream` does, from async code."""
        return crew.Crew([self], [task]).astream(prompt, **options)

    def run(self, task: Task, prompt: Request = None, **options: Any) -> Message:
        """Do one task, wait, and return the message that holds the result; see `Crew.run`."""
        return crew.Crew([self], [task]).run(prompt, **options)

    async def arun(self, task: Task, prompt: Request = None, **options: Any) -> Message:
        """Do one task as `run` does, from async code."""
        return await crew.Crew([self], [task]).arun(prompt, **options)
