"""The items of a Responses answer that are given at its end: its tool calls, and the state that comes after one."""

from collections.abc import Iterator
from typing import Any

from converse_stream.events import State, ToolCall
from converse_stream.providers.codecs.tool_calls import ToolCalls
from converse_stream.providers.codecs.values import mapping, name, text


class OutputCalls:
    """Collect the tool calls of an answer from the events that tell of them.

    An event says by `output_index` which item it is about, or by `item_id` where a server leaves out the first.
    """

    def __init__(self) -> None:
        self._calls = ToolCalls()
        self._index_of: dict[str, Any] = {}
        self._in_pieces: set[Any] = set()
        self._held: list[tuple[int, State]] = []

    def opened(self, payload: dict[str, Any]) -> None:
        """Take the event that an item begins."""
        item = mapping(payload.get("item"))
        if _is_call(item):
            self._index_of[name(item.get("id"))] = self._key(payload, item.get("id"))
            self._add(payload, item, "")

    def continued(self, payload: dict[str, Any]) -> None:
        """Take an event with a piece of a call's arguments."""
        key = self._key(payload, payload.get("item_id"))
        self._in_pieces.add(key)
        self._calls.add(key, arguments=text(payload.get("delta")))

    def closed(self, payload: dict[str, Any]) -> None:
        """Take the event that an item has ended, which repeats all of it; its arguments count if no pieces came."""
        item = mapping(payload.get("item"))
        if not _is_call(item):
            return
        key = self._key(payload, item.get("id"))
        self._add(payload, item, "" if key in self._in_pieces else text(item.get("arguments")))
        self._in_pieces.discard(key)

    def kept(self, state: State) -> Iterator[State]:
        """Yield a state at once if no call has begun; else it keeps its place among the calls."""
        if self._calls:
            self._held.append((len(self._calls), state))
        else:
            yield state

    def finished(self, seed: str) -> Iterator[ToolCall | State]:
        """Yield all of it in the order in which it began."""
        calls = self._calls.finished(seed)
        for number, call in enumerate(calls, start=1):
            yield call
            yield from (state for after, state in self._held if after == number)
        yield from (state for after, state in self._held if after > len(calls))

    def _add(self, payload: dict[str, Any], item: dict[str, Any], arguments: str) -> None:
        key = self._key(payload, item.get("id"))
        self._calls.add(key, id=text(item.get("call_id")), name=text(item.get("name")), arguments=arguments)

    def _key(self, payload: dict[str, Any], item_id: object) -> Any:
        index = payload.get("output_index")
        return index if isinstance(index, int) else self._index_of.get(name(item_id), name(item_id))


def _is_call(item: dict[str, Any]) -> bool:
    return item.get("type") == "function_call"
