"""Task: what one agent is to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from django.utils.module_loading import import_string

from converse_stream.models import Message
from converse_stream.rendering import PromptTemplate

if TYPE_CHECKING:
    from converse_stream.agents.agent import Agent

Request: TypeAlias = str | PromptTemplate | None
"""What the user asked for."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done, and what should come of it."""

    description: str
    expected_output: str = ""
    """What a good result looks like."""
    agent: Agent | None = None
    """Who does it; without one the crew's agents take turns."""
    callback: Callable[[Message], Awaitable[object] | object] | None = None
    """Called with the agent's finished message once it is committed; may be async. What it raises is only logged."""
    schema: Any = None
    """What object the result is to be, as `schema` of `ask`."""

    def __post_init__(self) -> None:
        if not isinstance(self.description, str) or not self.description.strip():
            raise ValueError("a task needs a description")

    @property
    def callback_path(self) -> str | None:
        """Where another process finds the callback: empty for none, None for one that it cannot find."""
        if self.callback is None:
            return ""
        path = f"{getattr(self.callback, '__module__', '')}.{getattr(self.callback, '__qualname__', '')}"
        try:
            return path if import_string(path) is self.callback else None
        except (ImportError, ValueError):
            return None

    def prompt(self, request: str, earlier: Iterable[tuple[Task, str]]) -> str:
        """Return what its agent is told: the task, what the user asked for, and what came of the tasks before it."""
        said = [self.description]
        if self.expected_output:
            said.append(f"What is expected of you: {self.expected_output}")
        if request:
            said.append(f"The user's request:\n{request}")
        for task, result in earlier:
            said.append(f'This came of the task "{task.description}":\n{result}')
        return "\n\n".join(said)
