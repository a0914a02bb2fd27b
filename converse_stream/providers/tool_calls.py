"""Tool calls that arrive in fragments, put together."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from converse_stream.events import ToolCall
from converse_stream.exceptions import ProtocolError

MAX_ARGUMENTS_CHARS = 4 * 1024 * 1024


@dataclass(slots=True)
class _Open:
    """A call that is still being received."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCalls:
    """Collect the fragments of an answer's tool calls.

    Fragments with one key belong together, except that a new id together with a name opens a new call: some
    servers number all parallel calls 0. A server that repeats id and name in each fragment opens one call.
    """

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._by_key: dict[Any, _Open] = {}
        self._size = 0

    def add(self, key: Any, *, id: str = "", name: str = "", arguments: str = "") -> None:
        """Add a fragment; empty values add nothing. Raise ProtocolError when the arguments grow past all measure."""
        self._size += len(arguments)
        if self._size > MAX_ARGUMENTS_CHARS:
            raise ProtocolError(f"the arguments of tool calls are longer than {MAX_ARGUMENTS_CHARS} characters")
        call = self._by_key.get(key)
        if call is None or (id and name and call.id and id != call.id):
            call = self._by_key[key] = _Open()
            self._calls.append(call)
        call.id = call.id or id
        call.name = call.name or name
        call.arguments += arguments

    def finished(self, seed: str = "") -> list[ToolCall]:
        """Return the calls in the order in which they began; `seed` makes ids for those without one."""
        return [_finish(call, f"{seed}:{number}") for number, call in enumerate(self._calls) if call.name]


def _finish(call: _Open, seed: str) -> ToolCall:
    call_id = call.id or "call_" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]
    return ToolCall(call_id, call.name, parse_arguments(call.arguments), call.arguments)


def parse_arguments(raw: str) -> Any:
    """Return the arguments as JSON: an empty object for none, None for what is no JSON."""
    try:
        arguments = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        return None
    return {} if arguments is None else arguments
