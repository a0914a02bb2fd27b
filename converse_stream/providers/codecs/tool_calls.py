"""Tool calls that arrive in fragments, put together."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from converse_stream.events import ToolCall
from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.values import is_shallow, parsed

MAX_CHARS = 4 * 1024 * 1024
"""How long all calls of an answer may be together."""
_CALL_CHARS = 64
"""What a call counts for besides its characters: a call of nothing takes memory too."""


@dataclass(slots=True)
class _Open:
    """A call that is still being received."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ToolCalls:
    """Collect the fragments of an answer's tool calls.

    Fragments with one key belong together, except that a new id together with a name opens a new call: some
    servers number all parallel calls 0. A server that repeats id and name in each fragment opens one call.
    Where there are no ids, another name, or a name after arguments that are complete, opens a new call.
    """

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._by_key: dict[Any, _Open] = {}
        self._size = 0
        self._looked = 0

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, key: Any, *, id: str = "", name: str = "", arguments: str = "") -> None:
        """Add a fragment; empty values add nothing. Raise ProtocolError when the calls grow past all measure."""
        call = self._by_key.get(key)
        if call is None or self._is_another(call, id, name, arguments):
            call = self._by_key[key] = _Open()
            self._calls.append(call)
            self._grow(_CALL_CHARS)
        if id and not call.id:
            self._grow(len(id))
            call.id = id
        if name and not call.name:
            self._grow(len(name))
            call.name = name
        if arguments:
            self._grow(len(arguments))
            call.arguments.append(arguments)

    def finished(self, seed: str = "") -> list[ToolCall]:
        """Return the calls in the order in which they began; `seed` makes ids for those without one."""
        return [_finish(call, f"{seed}:{number}") for number, call in enumerate(self._calls) if call.name]

    def _is_another(self, call: _Open, id: str, name: str, arguments: str) -> bool:
        if not name:
            return False
        if id or call.id:
            return bool(id and call.id and id != call.id)
        return bool(call.name) and (name != call.name or (bool(arguments) and self._is_complete(call)))

    def _is_complete(self, call: _Open) -> bool:
        # Each look reads all there is: a server that repeats the name in each of many fragments is not looked at long.
        if self._looked > MAX_CHARS:
            return False
        call.arguments = ["".join(call.arguments)]
        self._looked += len(call.arguments[0])
        return parsed(call.arguments[0]) is not None

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_CHARS:
            raise ProtocolError(f"the tool calls are longer than {MAX_CHARS} characters")


def _finish(call: _Open, seed: str) -> ToolCall:
    return tool_call(call.id, call.name, "".join(call.arguments), seed=seed)


def tool_call(id: str, name: str, arguments: Any, *, seed: str = "") -> ToolCall:
    """Return a finished call; `arguments` are JSON as text or parsed, `seed` makes an id where there is none."""
    call_id = id or "call_" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]
    if isinstance(arguments, str):
        return ToolCall(call_id, name, parse_arguments(arguments), arguments)
    if not is_shallow(arguments):
        return ToolCall(call_id, name, None)
    return ToolCall(call_id, name, {} if arguments is None else arguments, json.dumps(arguments, ensure_ascii=False))


def parse_arguments(raw: str) -> Any:
    """Return the arguments as JSON: an empty object for none, None for what is no JSON or nested without measure."""
    try:
        arguments = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        return None
    if arguments is None:
        return {}
    return arguments if is_shallow(arguments) else None
