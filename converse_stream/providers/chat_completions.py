"""The wire format "Chat Completions", incoming: bytes of an event stream in, deltas out. No I/O.

Source: https://platform.openai.com/docs/api-reference/chat-streaming and recorded traffic of nine servers that
speak it (read 2026-11-21). Where they differ, a class attribute says how; a provider subclasses it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from converse_stream.cleaning import clean_text
from converse_stream.events import Delta, Finish, Reasoning, Served, Text, Usage
from converse_stream.exceptions import ProtocolError, ProviderError, Truncated
from converse_stream.providers import errors
from converse_stream.providers.sse import ServerSentEvent, SSEDecoder
from converse_stream.providers.tool_calls import ToolCalls

_DONE = "[DONE]"
_LARGEST_COUNT = 2**31 - 1
_LONGEST_NAME = 200
_LONGEST_REASON = 100


class ChatCompletionsDecoder:
    """Decode one answer incrementally.

    `feed` and `close` return the deltas there are. What went wrong is kept in `error`, so that no delta before it
    is lost: look at it after each call. Only choice 0 counts. Tool calls, usage and Finish come at the end.
    """

    finish_reasons: ClassVar[Mapping[str, str]] = {
        "stop": "stop",
        "length": "length",
        "model_length": "length",
        "tool_calls": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
        "error": "error",
        "insufficient_system_resource": "error",
        "aborted": "error",
    }
    """Our finish reason for each raw one. Any other means stop, as the answer did end."""
    reasoning_fields: ClassVar[tuple[str, ...]] = ("reasoning_content", "reasoning")
    """Where a delta holds visible thinking; the first that is not empty counts."""
    usage_paths: ClassVar[tuple[tuple[str, ...], ...]] = (("usage",), ("x_groq", "usage"))
    reasoning_tokens_outside: ClassVar[bool] = False
    """Whether reasoning tokens come on top of the completion tokens instead of within them."""

    def __init__(self) -> None:
        self.error: ProviderError | None = None
        self.done = False
        """Whether the answer has ended: properly, or with `error`."""
        self.begun = False
        """Whether any of it has arrived, be it the first fragment of a tool call."""
        self._sse = SSEDecoder()
        self._served = Served()
        self._served_told = False
        self._calls = ToolCalls()
        self._usage: Usage | None = None
        self._raw_reason: str | None = None
        self._refused = False

    def feed(self, data: bytes) -> list[Delta]:
        """Return the deltas that `data` completes."""
        return self._guarded(self._fed(data))

    def close(self) -> list[Delta]:
        """Return the last deltas when the body is over; a body without a proper ending sets `error`."""
        return self._guarded(self._closed())

    def _guarded(self, deltas: Iterator[Delta]) -> list[Delta]:
        known: list[Delta] = []
        if self.done:
            return known
        try:
            for delta in deltas:
                known.append(delta)  # one by one: what came before an exception stays
        except ProviderError as error:
            error.status = error.status or 200
            self.error, self.done = error, True
        return known

    def _fed(self, data: bytes) -> Iterator[Delta]:
        for event in self._sse.feed(data):
            yield from self._event(event)
            if self.done:
                return

    def _closed(self) -> Iterator[Delta]:
        for event in self._sse.close():
            if _is_whole(event):
                yield from self._event(event)
        if self.done:
            return
        self._check_stray()
        if self._raw_reason is None:
            raise Truncated("the answer ended without a finish reason")
        yield from self._ending()

    def _check_stray(self) -> None:
        # Some servers send an error as bare JSON into a stream that they had announced as events.
        payload = _parsed(self._sse.stray)
        if errors.is_error(payload):
            raise errors.from_event(payload)

    def _event(self, event: ServerSentEvent) -> Iterator[Delta]:
        if event.data.strip() == _DONE:
            yield from self._ending()
            return
        payload = _parsed(event.data)
        yield from self._payload(_mapping(payload))
        if event.event == "error" or errors.is_error(payload):
            raise errors.from_event(event.data if payload is None else payload)
        if not isinstance(payload, dict):
            raise ProtocolError(f"an event of {len(event.data)} characters is no JSON object")

    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from self._serve(_name(payload.get("model")), _name(payload.get("id")))
        for path in self.usage_paths:
            self._usage = self._read_usage(_at(payload, path)) or self._usage
        choices = payload.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                yield from self._choice(choice)

    def _serve(self, model: str, request_id: str) -> Iterator[Served]:
        self._served = Served(self._served.model or model, self._served.request_id or request_id)
        if self._served.model and not self._served_told:
            self._served_told = True
            yield self._served

    def _choice(self, choice: dict[str, Any]) -> Iterator[Delta]:
        delta = _mapping(choice.get("delta"))
        for content in self._said(delta):
            self.begun = True
            yield content
        self._tool_calls(delta.get("tool_calls"))
        self._raw_reason = _name(choice.get("finish_reason"), _LONGEST_REASON) or self._raw_reason

    def _said(self, delta: dict[str, Any]) -> Iterator[Text | Reasoning]:
        reasoning = next((text for field in self.reasoning_fields if (text := _text(delta.get(field)))), "")
        if reasoning:
            yield Reasoning(reasoning)
        yield from _content(delta.get("content"))
        refusal = _text(delta.get("refusal"))
        if refusal:
            self._refused = True
            yield Text(refusal)

    def _tool_calls(self, fragments: object) -> None:
        for position, fragment in enumerate(fragments if isinstance(fragments, list) else ()):
            fragment = _mapping(fragment)
            function = _mapping(fragment.get("function"))
            self.begun = True
            index, arguments = fragment.get("index"), function.get("arguments")
            self._calls.add(
                index if isinstance(index, int) else position,
                id=_text(fragment.get("id")),
                name=_text(function.get("name")),
                arguments=json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments),
            )

    def _read_usage(self, usage: object) -> Usage | None:
        if not isinstance(usage, dict):
            return None
        reasoning = _count(_at(usage, ("completion_tokens_details", "reasoning_tokens")))
        output = _count(usage.get("completion_tokens"))
        if self.reasoning_tokens_outside and output is not None:
            output += reasoning or 0
        cached = _count(_at(usage, ("prompt_tokens_details", "cached_tokens")))
        return Usage(_count(usage.get("prompt_tokens")), output, cached, reasoning)

    def _ending(self) -> Iterator[Delta]:
        self.done = True
        calls = self._calls.finished(self._served.request_id)
        yield from calls
        if self._served.request_id and not self._served_told:
            yield self._served
        if self._usage:
            yield self._usage
        raw = self._raw_reason or ""
        reason = self.finish_reasons.get(raw.lower(), "stop")
        if reason == "stop" and (calls or self._refused):
            reason = "tool_calls" if calls else "content_filter"
        yield Finish(reason, raw)


def _content(content: object) -> Iterator[Text | Reasoning]:
    """Yield a delta's content: a text, or a list of parts (Mistral; a stream may change from one to the other)."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for part in content if isinstance(content, list) else ():
        part = _mapping(part)
        thinking = part.get("thinking")
        if isinstance(thinking, list):
            thinking = "".join(_text(_mapping(item).get("text")) for item in thinking)
        if _text(thinking):
            yield Reasoning(_text(thinking))
        if part.get("type") == "text" and _text(part.get("text")):
            yield Text(_text(part.get("text")))


def _is_whole(event: ServerSentEvent) -> bool:
    return event.data.strip() == _DONE or _parsed(event.data) is not None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _at(payload: object, path: tuple[str, ...]) -> Any:
    for name in path:
        payload = _mapping(payload).get(name)
    return payload


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(value: object, longest: int = _LONGEST_NAME) -> str:
    return clean_text(_text(value)[:longest])


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _LARGEST_COUNT else None
