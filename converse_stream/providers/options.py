"""The options of a call: one list for all providers, each sent under the name its format has for it.

Only what the caller set is sent; None is not set.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from converse_stream.exceptions import InvalidOptions
from converse_stream.values import is_number

SAMPLING = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty", "seed"})
COMMON = frozenset({"max_tokens", "stop", "tools", "tool_choice", "schema", "reasoning", "extra"})
OF_THE_CALL = frozenset({"api", "stream"})
"""What says how to ask instead of what."""
_LARGEST = 2**63 - 1
STREAM_MODES = (True, False, "prefer")
"""`"prefer"` streams, and asks again without streaming if that fails before its first token."""


def _is_number(value: Any) -> bool:
    return is_number(value, -sys.float_info.max, sys.float_info.max)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and is_number(value, -_LARGEST, _LARGEST)


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(each, str) for each in value))


def _is_tools(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value)


def _is_tool_choice(value: Any) -> bool:
    return value in ("auto", "none", "required") or (isinstance(value, Mapping) and isinstance(value.get("name"), str))


_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (_is_number, "a number that is finite"),
    "top_p": (_is_number, "a number that is finite"),
    "frequency_penalty": (_is_number, "a number that is finite"),
    "presence_penalty": (_is_number, "a number that is finite"),
    "seed": (_is_integer, "an integer"),
    "max_tokens": (lambda value: _is_integer(value) and value > 0, "an integer above 0"),
    "stop": (_is_stop, "a text or a list of texts"),
    "tools": (_is_tools, "a list of mappings with name, description and parameters"),
    "tool_choice": (_is_tool_choice, '"auto", "none", "required" or {"name": …}'),
    "schema": (lambda value: isinstance(value, Mapping), "a JSON schema"),
    "reasoning": (lambda value: isinstance(value, bool | str | Mapping), "an effort, True, False or a mapping"),
    "extra": (lambda value: isinstance(value, Mapping), "a mapping"),
    "api": (lambda value: isinstance(value, str), "a text"),
    "stream": (lambda value: isinstance(value, bool | str) and value in STREAM_MODES, 'True, False or "prefer"'),
}


def check(
    options: Mapping[str, Any],
    takes: Iterable[str],
    provider: str,
    *,
    by_api: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> None:
    """Raise InvalidOptions for an option that nobody knows, that `provider` does not take, or of the wrong kind.

    `by_api` holds what it takes in each of its formats, so that the error can name one that does.
    """
    takes = frozenset(takes)
    for name, value in options.items():
        if name not in _KINDS or (name not in takes and value is not None):
            known = ", ".join(sorted(takes))
            what = f"does not take the option {name!r}" if name in _KINDS else f"knows no option {name!r}"
            hint = "".join(f" (with api={api!r} it does)" for api, others in by_api.items() if name in others)
            raise InvalidOptions(f"the provider {provider!r} {what}{hint}; it takes {known}, and others in 'extra'")
        fits, kind = _KINDS[name]
        if value is not None and not fits(value):
            raise InvalidOptions(f"the option {name!r} must be {kind}, not {value!r:.60}")
