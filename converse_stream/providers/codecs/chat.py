"""Chat Completions, as OpenAI and many others speak it.

Source: https://platform.openai.com/docs/api-reference/chat-streaming and recorded traffic of nine servers that
speak it (read 2026-11-21). Where they differ, a class attribute says how; a provider subclasses it.
"""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from converse_stream.events import Delta, Reasoning, Text, Usage
from converse_stream.exceptions import ProtocolError, Truncated
from converse_stream.providers import errors
from converse_stream.providers.codecs.base import EventStreamDecoder
from converse_stream.providers.codecs.chat_request import ChatRequest
from converse_stream.providers.codecs.sse import ServerSentEvent
from converse_stream.providers.codecs.tool_calls import ToolCalls
from converse_stream.providers.codecs.values import at, count, items, mapping, name, parsed, text

_DONE = "[DONE]"
_LONGEST_REASON = 100


class ChatDecoder(EventStreamDecoder):
    """Only choice 0 counts. Tool calls, usage and Finish come at the end."""

    terminators = frozenset({_DONE})
    reasoning_fields: ClassVar[tuple[str, ...]] = ("reasoning_content", "reasoning")
    """Where a delta holds visible thinking; the first that is not empty counts."""
    usage_paths: ClassVar[tuple[tuple[str, ...], ...]] = (("usage",), ("x_groq", "usage"))
    reasoning_tokens_outside: ClassVar[bool] = False
    """Whether reasoning tokens come on top of the completion tokens instead of within them."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = ToolCalls()
        self._legacy_calls = ToolCalls()
        """What came as `function_call`: it counts where there are no tool calls, which some servers send as well."""
        self._raw_reason: str | None = None
        self._refused = False

    def _event(self, event: ServerSentEvent) -> Iterator[Delta]:
        if event.data.strip() == _DONE:
            yield from self._ending()
            return
        payload = parsed(event.data)
        if isinstance(payload, dict):
            yield from self._chunk(payload)
        if event.event == "error" or errors.is_error(payload):
            raise errors.from_event(event.data if payload is None else payload)
        if not isinstance(payload, dict):
            raise ProtocolError(f"an event of {len(event.data)} characters is no JSON object")

    def _over(self) -> Iterator[Delta]:
        if self._raw_reason is None:
            raise Truncated("the answer ended without a finish reason")
        yield from self._ending()

    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        choices = [{**mapping(choice), "delta": at(choice, "message")} for choice in items(payload.get("choices"))]
        yield from self._chunk({**payload, "choices": choices})
        if self._raw_reason is not None:
            yield from self._ending()

    def _chunk(self, payload: dict[str, Any]) -> Iterator[Delta]:
        if not (self._served_told and self.served.request_id):
            yield from self._serve(name(payload.get("model")), name(payload.get("id")))
        for path in self.usage_paths:
            if path[0] in payload:
                self.usage = self._read_usage(at(payload, *path)) or self.usage
        for choice in items(payload.get("choices")):
            if isinstance(choice, dict) and not choice.get("index"):
                yield from self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> Iterator[Delta]:
        delta = mapping(choice.get("delta"))
        for content in self._said(delta):
            self.begun = True
            yield content
        if "tool_calls" in delta:
            for position, fragment in enumerate(items(delta["tool_calls"])):
                index = at(fragment, "index")
                self._add_call(self._calls, mapping(fragment), index if isinstance(index, int) else position)
        if isinstance(delta.get("function_call"), dict):
            self._add_call(self._legacy_calls, {"function": delta["function_call"]}, 0)
        if choice.get("finish_reason"):
            self._raw_reason = name(choice["finish_reason"], _LONGEST_REASON) or self._raw_reason
        if choice.get("error"):
            raise errors.from_event({"error": choice["error"]})

    def _said(self, delta: dict[str, Any]) -> Iterator[Delta]:
        """Yield what a delta says; a server with more to tell overrides it."""
        for field in self.reasoning_fields:
            if reasoning := text(delta.get(field)):
                yield Reasoning(reasoning)
                break
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                yield Text(content)
        elif content:
            yield from _parts(content)
        if refusal := text(delta.get("refusal")):
            self._refused = True
            yield Text(refusal)

    def _add_call(self, calls: ToolCalls, fragment: dict[str, Any], key: int) -> None:
        self.begun = True
        function = mapping(fragment.get("function"))
        arguments = function.get("arguments")
        calls.add(
            key,
            id=text(fragment.get("id")),
            name=text(function.get("name")),
            arguments=json.dumps(arguments) if isinstance(arguments, dict) else text(arguments),
        )

    def _read_usage(self, usage: object) -> Usage | None:
        if not isinstance(usage, dict):
            return None
        reasoning = count(at(usage, "completion_tokens_details", "reasoning_tokens"))
        output = count(usage.get("completion_tokens"))
        if self.reasoning_tokens_outside and output is not None:
            output += reasoning or 0
        cached = count(at(usage, "prompt_tokens_details", "cached_tokens"))
        return Usage(count(usage.get("prompt_tokens")), output, cached, reasoning)

    def _ending(self) -> Iterator[Delta]:
        calls = (self._calls or self._legacy_calls).finished(self._seed)
        yield from self._end(self._raw_reason or "", calls, refused=self._refused)


def _parts(content: object) -> Iterator[Text | Reasoning]:
    """Yield a delta's content that is a list of parts (Mistral; a stream may change from one form to the other)."""
    for part in items(content):
        part = mapping(part)
        thinking = part.get("thinking")
        if isinstance(thinking, list):
            thinking = "".join(text(mapping(item).get("text")) for item in thinking)
        if text(thinking):
            yield Reasoning(text(thinking))
        if part.get("type") == "text" and text(part.get("text")):
            yield Text(text(part.get("text")))


class Chat(ChatRequest):
    """Chat Completions. Where a server differs, a subclass says how."""

    decoder = ChatDecoder
