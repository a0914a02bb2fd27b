"""Responses, as OpenAI, xAI and others speak it.

Source: https://platform.openai.com/docs/api-reference/responses-streaming and recorded traffic of four servers that
speak it (read 2026-11-21).
"""

from collections.abc import Iterator
from typing import Any

from converse_stream.events import Delta, Reasoning, State, Text, Usage
from converse_stream.exceptions import ProtocolError, Truncated
from converse_stream.providers import errors
from converse_stream.providers.codecs.base import EventStreamDecoder
from converse_stream.providers.codecs.output_calls import OutputCalls
from converse_stream.providers.codecs.responses_request import ResponsesRequest
from converse_stream.providers.codecs.sse import MAX_EVENT_BYTES, ServerSentEvent
from converse_stream.providers.codecs.values import at, count, is_shallow, items, mapping, name, parsed, text

_DONE = "[DONE]"
_LONGEST_REASON = 60
_TEXTS = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
"""The kind of item whose text an event continues."""
_WHOLE_TEXTS = {
    "response.output_text.done": ("response.output_text.delta", "text"),
    "response.refusal.done": ("response.refusal.delta", "refusal"),
    "response.reasoning_summary_text.done": ("response.reasoning_summary_text.delta", "text"),
    "response.reasoning_text.done": ("response.reasoning_text.delta", "text"),
}
"""The event whose pieces one repeats, and where: it counts where no pieces came."""
_ITEMS = frozenset(
    {
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    }
)
_ERRORS = frozenset({"error", "response.error"})
_ENDINGS = frozenset({"completed", "incomplete", "failed", "cancelled"})


class ResponsesDecoder(EventStreamDecoder):
    """Text and reasoning come as they arrive; tool calls, usage and Finish at the end.

    Of reasoning that comes in full and as a summary, only what came first is shown.
    """

    terminators = frozenset({_DONE})
    max_event_bytes = 8 * MAX_EVENT_BYTES  # the last event repeats the whole answer, its instructions and its tools

    def __init__(self) -> None:
        super().__init__()
        self._calls = OutputCalls()
        self._streamed: set[str] = set()
        """The kinds of items of which text has come since the last of them that ended."""
        self._said: set[str] = set()
        """The kinds of items of which anything has come."""
        self._in_pieces: set[str] = set()
        """The events of which pieces have come since the last that repeats them."""
        self._thinking = ""
        self._refused = False

    def _event(self, event: ServerSentEvent) -> Iterator[Delta]:
        if event.data.strip() == _DONE:
            return
        payload = parsed(event.data)
        kind = text(at(payload, "type")) or event.event
        if kind in _ERRORS or errors.is_error(payload):
            raise errors.from_event(_complaint(payload, event.data))
        if not isinstance(payload, dict):
            raise ProtocolError(f"an event of {len(event.data)} characters is no JSON object")
        if kind in _TEXTS:
            self._in_pieces.add(kind)
            yield from self._piece(kind, text(payload.get("delta")))
        elif kind in _WHOLE_TEXTS:
            yield from self._repeated_text(kind, payload)
        elif kind in _ITEMS:
            self.begun = True
            yield from self._item(kind, payload)
        elif "response" in payload:
            yield from self._response(mapping(payload["response"]), kind.rpartition(".")[2])

    def _over(self) -> Iterator[Delta]:
        raise Truncated("the answer ended without its last event")

    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from self._response(payload, text(payload.get("status")) or "completed")

    def _normalised(self, raw: str) -> str:
        return super()._normalised(raw if raw.lower() in self.finish_reasons else raw.partition(":")[0])

    def _repeated_text(self, kind: str, payload: dict[str, Any]) -> Iterator[Delta]:
        pieces, where = _WHOLE_TEXTS[kind]
        if pieces not in self._in_pieces:
            yield from self._piece(pieces, text(payload.get(where)))
        self._in_pieces.discard(pieces)

    def _piece(self, kind: str, said: str) -> Iterator[Delta]:
        if not said:
            return
        self.begun = True
        self._streamed.add(_TEXTS[kind])
        self._said.add(_TEXTS[kind])
        if _TEXTS[kind] == "message":
            self._refused = self._refused or kind == "response.refusal.delta"
            yield Text(said)
        else:
            self._thinking = self._thinking or kind
            if kind == self._thinking:
                yield Reasoning(said)

    def _item(self, kind: str, payload: dict[str, Any]) -> Iterator[Delta]:
        if kind == "response.output_item.added":
            self._calls.opened(payload)
        elif kind == "response.function_call_arguments.delta":
            self._calls.continued(payload)
        elif kind == "response.function_call_arguments.done":
            self._calls.told(payload)
        else:
            self._calls.closed(payload)
            yield from self._finished(mapping(payload.get("item")))

    def _finished(self, item: dict[str, Any]) -> Iterator[Delta]:
        """Yield what a finished item says that has not come in pieces, and the state to send back with it."""
        kind = text(item.get("type"))
        said: list[Delta] = list(self._content(item)) if kind not in self._streamed else []
        yield from said
        if kind == "message" and item.get("phase") and (said or kind in self._streamed):
            yield State("text", {"phase": name(item["phase"])})
        # Of reasoning that is neither encrypted nor told in full, the server remembers nothing.
        if kind == "reasoning" and (item.get("encrypted_content") or item.get("content")) and is_shallow(item):
            yield from self._calls.kept(State("reasoning", item))
        self._streamed.discard(kind)
        self._said.add(kind)

    def _content(self, item: dict[str, Any]) -> Iterator[Delta]:
        if item.get("type") == "reasoning":
            for part in items(item.get("summary")) or items(item.get("content")):
                if text(at(part, "text")):
                    yield Reasoning(part["text"])
        elif item.get("type") == "message":
            for part in items(item.get("content")):
                refusal = text(at(part, "refusal"))
                self._refused = self._refused or bool(refusal)
                if text(at(part, "text")) or refusal:
                    yield Text(text(at(part, "text")) or refusal)

    def _response(self, response: dict[str, Any], event: str) -> Iterator[Delta]:
        yield from self._serve(name(response.get("model")), name(response.get("id")))
        if event not in _ENDINGS:
            return
        status = text(response.get("status"))
        status = status if status in _ENDINGS else event
        if status == "failed":
            raise errors.from_event({"error": response.get("error") or {"message": "the answer failed"}})
        yield from self._repeated(items(response.get("output")))
        self.usage = _usage(response.get("usage"))
        reason = name(at(response, "incomplete_details", "reason"), _LONGEST_REASON)
        raw = f"{status}:{reason}" if status == "incomplete" and reason else status
        yield from self._end(raw, self._calls.finished(self._seed), refused=self._refused)

    def _repeated(self, output: list[Any]) -> Iterator[Delta]:
        """Yield what only the last event says: all of it where nothing was streamed, whatever was asked for."""
        told = [mapping(item) for item in output]
        said, more = frozenset(self._said), self._calls.missing(told)
        for index, item in enumerate(told):
            self._calls.repeated(item, index, opens=more)
            if text(item.get("type")) not in said:
                yield from self._finished(item)


def _complaint(payload: object, data: str) -> object:
    """Return an error event in the shape that errors have elsewhere: it may be flat, and calls its type "error"."""
    if not isinstance(payload, dict):
        return data if payload is None else payload
    return payload if payload.get("error") else {"error": {**payload, "type": None}}


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    cached = count(at(usage, "input_tokens_details", "cached_tokens"))
    reasoning = count(at(usage, "output_tokens_details", "reasoning_tokens"))
    return Usage(count(usage.get("input_tokens")), count(usage.get("output_tokens")), cached, reasoning)


class Responses(ResponsesRequest):
    """Responses. Where a server differs, a subclass says how."""

    decoder = ResponsesDecoder
