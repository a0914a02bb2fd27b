"""The items of a Responses answer that are given at its end: its tool calls, and the state that comes after one."""

from collections.abc import Iterator
from typing import Any

from converse_stream.events import State, ToolCall
from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.tool_calls import MAX_CHARS, ToolCalls
from converse_stream.providers.codecs.values import mapping, name, text


class OutputCalls:
    """Collect the tool calls of an answer from the events that tell of them.

    An event says by `output_index` which item it is about, or by `item_id` where a server leaves out the first.
    The arguments of a call may come in pieces, and whole up to four times: what came first in this order counts.
    """

    def __init__(self) -> None:
        self._calls = ToolCalls()
        self._index_of: dict[str, Any] = {}
        self._key_of: dict[str, Any] = {}
        """By a call's id."""
        self._id_at: dict[Any, str] = {}
        self._told: set[Any] = set()
        """The keys of calls of which arguments have come."""
        self._promised: dict[Any, str] = {}
        """Arguments that came with the beginning of a call: they count if it turns out that no others come."""
        self._promises = 0
        """How long all of them are together."""
        self._held: list[tuple[int, State]] = []

    def opened(self, payload: dict[str, Any]) -> None:
        """Take the event that an item begins."""
        item = mapping(payload.get("item"))
        if _is_call(item):
            key = self._index_of[name(item.get("id"))] = self._key(payload, item.get("id"))
            self._begin(key, item)
            self._promise(key, text(item.get("arguments")))

    def continued(self, payload: dict[str, Any]) -> None:
        """Take an event with a piece of a call's arguments."""
        self._tell(self._key(payload, payload.get("item_id")), text(payload.get("delta")))

    def told(self, payload: dict[str, Any]) -> None:
        """Take the event that a call's arguments have ended, which repeats all of them."""
        key = self._key(payload, payload.get("item_id"))
        if key not in self._told:
            self._tell(key, text(payload.get("arguments")))

    def closed(self, payload: dict[str, Any]) -> None:
        """Take the event that an item has ended, which repeats all of it."""
        item = mapping(payload.get("item"))
        if _is_call(item):
            self._whole(self._key(payload, item.get("id")), item)

    def missing(self, output: list[dict[str, Any]]) -> bool:
        """Return whether the answer's last event tells of more calls than have begun."""
        return sum(map(_is_call, output)) > len(self._calls)

    def repeated(self, item: dict[str, Any], index: int, *, opens: bool) -> None:
        """Take an item of the answer's last event, which repeats all of them; `opens` says that it may be new."""
        call_id = text(item.get("call_id"))
        if _is_call(item) and (opens or call_id in self._key_of):
            key = self._key_of.get(call_id, ("last", index))
            if self._id_at.get(key, call_id) == call_id:
                self._whole(key, item)

    def kept(self, state: State) -> Iterator[State]:
        """Yield a state at once if no call has begun; else it keeps its place among the calls."""
        if self._calls:
            self._held.append((len(self._calls), state))
        else:
            yield state

    def finished(self, seed: str) -> Iterator[ToolCall | State]:
        """Yield all of it in the order in which it began."""
        for key in list(self._promised):
            self._keep_promise(key)
        calls = self._calls.finished(seed)
        for number, call in enumerate(calls, start=1):
            yield call
            yield from (state for after, state in self._held if after == number)
        yield from (state for after, state in self._held if after > len(calls))

    def _begin(self, key: Any, item: dict[str, Any]) -> None:
        call_id = text(item.get("call_id"))
        if call_id and self._id_at.get(key, call_id) != call_id:  # some servers number all calls 0
            self._keep_promise(key)
            self._told.discard(key)
        if call_id:
            self._id_at[key], self._key_of[call_id] = call_id, key
        self._calls.add(key, id=call_id, name=text(item.get("name")))

    def _promise(self, key: Any, arguments: str) -> None:
        self._promises += len(arguments)
        if self._promises > MAX_CHARS:
            raise ProtocolError(f"the tool calls are longer than {MAX_CHARS} characters")
        if arguments:
            self._promised[key] = arguments

    def _whole(self, key: Any, item: dict[str, Any]) -> None:
        self._begin(key, item)
        if key not in self._told and text(item.get("arguments")):
            self._tell(key, item["arguments"])

    def _tell(self, key: Any, arguments: str) -> None:
        self._calls.add(key, arguments=arguments)
        if arguments:
            self._told.add(key)
            self._promised.pop(key, None)

    def _keep_promise(self, key: Any) -> None:
        self._tell(key, self._promised.pop(key, ""))

    def _key(self, payload: dict[str, Any], item_id: object) -> Any:
        index = payload.get("output_index")
        return index if isinstance(index, int) else self._index_of.get(name(item_id), name(item_id))


def _is_call(item: dict[str, Any]) -> bool:
    return item.get("type") == "function_call"
