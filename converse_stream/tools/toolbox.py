"""Toolbox: the tools of one generation, found by the names that a model calls them by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from django.utils.module_loading import import_string

from converse_stream.conf import settings
from converse_stream.exceptions import InvalidOptions
from converse_stream.tools.tool import Tool

Tools: TypeAlias = Iterable[Tool | Callable[..., Any] | str | Mapping[str, Any]]
"""Tools, functions, names of TOOLS or dotted paths of tools, and mappings: what is only declared to the model."""


class Toolbox:
    """What may be called, and what is only declared: a call of that ends the answer, as the site runs it itself."""

    def __init__(self, tools: Tools = ()) -> None:
        """Raise InvalidOptions for what is no tool, and for two of one name."""
        self._tools: dict[str, Tool] = {}
        self._names: list[str] = []
        self._declared: list[Mapping[str, Any]] = []
        for item in tools:
            if isinstance(item, Mapping):
                self._declared.append(item)
                continue
            found = find(item) if isinstance(item, str) else _made(item)
            if found.name in self._tools:
                raise InvalidOptions(f"two tools are named {found.name!r}")
            self._tools[found.name] = found
            self._names.append(item if isinstance(item, str) else found.path)

    @staticmethod
    def checked(tools: object) -> Tools:
        """Return what is a list of tools. Raise InvalidOptions for anything else."""
        if isinstance(tools, str | Mapping) or not isinstance(tools, Iterable):
            raise InvalidOptions("tools must be a list of tools")
        return tools

    def __bool__(self) -> bool:
        return bool(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    @property
    def declarations(self) -> list[Mapping[str, Any]]:
        """What a provider is told of."""
        return [*(each.declaration for each in self._tools.values()), *self._declared]

    @property
    def known(self) -> str:
        """The names of what can be called, in words."""
        return ", ".join(self._tools) or "none"

    def is_only_declared(self, name: str) -> bool:
        """Whether the model was told of this tool, and nobody here can run it."""
        return name not in self._tools and any(name == _name(each) for each in self._declared)

    @property
    def recorded(self) -> list[str]:
        """The names under which the record remembers these tools; not all of them need to lead anywhere."""
        return [name or found.name for name, found in zip(self._names, self._tools.values(), strict=True)]

    def names(self) -> list[str]:
        """Return the names by which another process finds these tools. Raise InvalidOptions for one that has none."""
        for name, found in zip(self._names, self._tools.values(), strict=True):
            if not _leads_to(name, found):
                raise InvalidOptions(
                    f"the tool {found.name!r} cannot be found by other processes: "
                    "decorate a function of a module with @tool, or name it in CONVERSE_STREAM['TOOLS']"
                )
        return list(self._names)


def find(name: str) -> Tool:
    """Return the tool that TOOLS has under a name, or that is at a dotted path. Raise InvalidOptions for none.

    A function is a tool only in TOOLS; at any other path there must be a Tool.
    """
    registered = settings.TOOLS.get(name)
    if registered is None and "." not in name:
        raise InvalidOptions(f"no tool is named {name!r:.80}: TOOLS has {', '.join(settings.TOOLS) or 'none'}")
    try:
        found = import_string(registered or name)
    except (ImportError, ValueError) as error:
        raise InvalidOptions(f"the tool {name!r:.200} cannot be imported: {error}") from error
    if isinstance(found, Tool):
        return found
    if registered is None:
        raise InvalidOptions(f"{name!r:.200} is no tool: decorate the function with @tool")
    return _made(found)


def _leads_to(name: str, tool: Tool) -> bool:
    try:
        return find(name).function is tool.function
    except InvalidOptions:
        return False


def _made(item: object) -> Tool:
    if isinstance(item, Tool):
        return item
    if not callable(item):
        raise InvalidOptions(f"a tool is a function, a name or a mapping, not {type(item).__name__}")
    try:
        return Tool(item)
    except (TypeError, ValueError, NameError) as error:
        raise InvalidOptions(f"{getattr(item, '__name__', 'a function')} cannot be a tool: {error}") from error


def _name(declared: Mapping[str, Any]) -> object:
    function = declared.get("function")
    return (function if isinstance(function, Mapping) else declared).get("name")
