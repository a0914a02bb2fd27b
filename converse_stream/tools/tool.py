"""Tool: one function with a name, a description, and a schema of what it takes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints, overload

from converse_stream.events import ToolCall
from converse_stream.exceptions import BadArguments
from converse_stream.typed import Fields
from converse_stream.values import DAY, is_number

if TYPE_CHECKING:
    from converse_stream.models import Message

_NAME = re.compile("[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool runs. A parameter with this annotation is given one, and the model never sees it."""

    message: Message
    """The answer in which it was called; its conversation says who owns it."""
    call: ToolCall
    """The call; its id is the same whenever this call is looked at."""


Approval: TypeAlias = Callable[[ToolContext], Awaitable[bool | str | None] | bool | str | None]
"""Asked before the tool runs: True lets it, a text refuses and is told to the model, anything else just refuses.

It may wait as long as it likes, and be async; a stop of the answer ends the waiting.
"""


class Tool:
    """A function that a model may have called. It can still be called as the function that it is."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        approve: Approval | None = None,
    ) -> None:
        """Raise TypeError or ValueError for a function that no model can call.

        `parameters` is a JSON schema for a function without type hints; nothing is checked by it.
        `timeout` is in seconds; None is TOOL_TIMEOUT.
        """
        if not callable(function):
            raise TypeError(f"a tool is a function, not {type(function).__name__}")
        self.function = function
        self.name = str(getattr(function, "__name__", "")) if name is None else name
        """What the model calls it by."""
        self.description = inspect.getdoc(function) or "" if description is None else description
        """What the model is told that it does: the function's docstring, unless given."""
        self.timeout = timeout
        self.approve = approve
        self._parameters = parameters
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r:.80} is no name for a tool: letters, digits, _ and -, at most 64")
        if timeout is not None and (not is_number(timeout, 0, DAY) or timeout == 0):
            raise ValueError(f"the timeout of the tool {self.name} must be seconds above 0 and at most {DAY}")
        self._hints = get_type_hints(_plain(function), include_extras=True)
        self._signature = inspect.signature(function)
        for parameter in self._signature.parameters.values():
            if parameter.kind is parameter.POSITIONAL_ONLY or parameter.kind is parameter.VAR_POSITIONAL:
                raise TypeError(f"the tool {self.name} takes {parameter} by position; a model names its arguments")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name}>"

    @property
    def is_async(self) -> bool:
        """Whether calling it returns something to await."""
        return inspect.iscoroutinefunction(_plain(self.function))

    @property
    def path(self) -> str:
        """Return where the function is defined, as `module.name`; empty for one inside of another function."""
        module, name = getattr(self.function, "__module__", ""), getattr(self.function, "__qualname__", "")
        return f"{module}.{name}" if module and name.isidentifier() and name != "<lambda>" else ""

    @property
    def declaration(self) -> dict[str, Any]:
        """What a provider is told: name, description and the schema of the arguments."""
        schema = self._fields.schema if self._parameters is None else dict(self._parameters)
        told = {"name": self.name, "parameters": {key: value for key, value in schema.items() if key != "title"}}
        return {**told, "description": self.description} if self.description else told

    def arguments(self, context: ToolContext) -> dict[str, Any]:
        """Return what to call the function with. Raise BadArguments for what the model got wrong."""
        given = context.call.arguments
        if given is None and not context.call.raw.strip():
            given = {}
        if not isinstance(given, Mapping):
            raise BadArguments("the arguments are not a JSON object")
        read = dict(given) if self._parameters is not None else self._fields.read(given)
        if not all(isinstance(name, str) for name in read) or set(read) & set(self._contexts):
            raise BadArguments("the arguments have names that the tool does not take")
        read |= dict.fromkeys(self._contexts, context)
        try:
            self._signature.bind(**read)
        except TypeError as error:
            raise BadArguments(f"the arguments do not fit: {error}") from None
        return read

    @cached_property
    def _contexts(self) -> list[str]:
        return [name for name, hint in self._hints.items() if hint is ToolContext]

    @cached_property
    def _fields(self) -> Fields:
        types = {
            name: (self._hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in self._signature.parameters.items()
            if name not in self._contexts and parameter.kind is not parameter.VAR_KEYWORD
        }
        return Fields(self.name, types)


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    approve: Approval | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a Tool of a function: `@tool`, or `@tool(timeout=5)`."""
    return Tool(function) if function is not None else lambda function: Tool(function, **options)


def _plain(function: Callable[..., Any]) -> Any:
    """Return what carries the hints: of an object that can be called, its `__call__`."""
    return function if inspect.isroutine(function) else type(function).__call__
