"""Ollama's own format: a JSON object on each line, and tool calls that come whole.

Source: https://docs.ollama.com/api/chat and https://docs.ollama.com/api/streaming (read 2026-11-21), and recorded
traffic.
"""

import json
from collections.abc import Iterator
from typing import Any

from converse_stream.events import Delta, Reasoning, Text, Usage
from converse_stream.exceptions import ProtocolError, Truncated
from converse_stream.providers import errors
from converse_stream.providers.codecs.base import Decoder
from converse_stream.providers.codecs.ndjson import NDJSONDecoder
from converse_stream.providers.codecs.ollama_request import OllamaRequest
from converse_stream.providers.codecs.tool_calls import ToolCalls
from converse_stream.providers.codecs.values import at, count, is_shallow, items, mapping, name, parsed, text

_LONGEST_REASON = 100


class OllamaDecoder(Decoder):
    """Text and thinking come as they arrive; tool calls, usage and Finish at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = NDJSONDecoder()
        self._calls = ToolCalls()
        self._began_at = ""

    def _fed(self, data: bytes) -> Iterator[Delta]:
        for line in self._lines.feed(data):
            yield from self._line(line)
            if self.done:
                return

    def _closed(self) -> Iterator[Delta]:
        for line in self._lines.close():
            if parsed(line) is not None:
                yield from self._line(line)
        if not self.done:
            raise Truncated("the answer ended without its last line")

    def _line(self, line: str) -> Iterator[Delta]:
        payload = parsed(line)
        if errors.is_error(payload):
            raise errors.from_event(payload)
        if not isinstance(payload, dict):
            raise ProtocolError(f"a line of {len(line)} characters is no JSON object")
        yield from self._payload(payload)

    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from self._serve(name(payload.get("model")), "")
        self._began_at = self._began_at or name(payload.get("created_at"))
        message = mapping(payload.get("message"))
        if text(message.get("thinking")):
            self.begun = True
            yield Reasoning(message["thinking"])
        if text(message.get("content")):
            self.begun = True
            yield Text(message["content"])
        for call in items(message.get("tool_calls")):
            self.begun = True
            self._add(mapping(call))
        if payload.get("done") is True:
            self.usage = _usage(payload)
            # Calls have no ids; the moment at which an answer began tells its calls from those of others.
            calls = self._calls.finished(self._began_at)
            yield from self._end(name(payload.get("done_reason"), _LONGEST_REASON), calls)

    def _add(self, call: dict[str, Any]) -> None:
        arguments = at(call, "function", "arguments")
        if not is_shallow(arguments):
            raise ProtocolError("the arguments of a tool call are nested without measure")
        self._calls.add(
            len(self._calls),
            id=text(call.get("id")),
            name=text(at(call, "function", "name")),
            arguments=arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False),
        )


def _usage(payload: dict[str, Any]) -> Usage | None:
    # A prompt that was read before is not counted again.
    asked, said = count(payload.get("prompt_eval_count")), count(payload.get("eval_count"))
    return None if asked is None and said is None else Usage(asked, said)


class OllamaNative(OllamaRequest):
    """Ollama's own format."""

    decoder = OllamaDecoder
