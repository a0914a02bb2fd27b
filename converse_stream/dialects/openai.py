"""OpenAI's `chat.completion.chunk` (platform.openai.com/docs/api-reference/chat-streaming), for its many clients.

A client of this format runs every tool it is told to call, so calls that have been answered here are not told:
those that wait for the client are, before the last chunk.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any

from converse_stream.dialects.base import Dialect, sse, to_json
from converse_stream.events import TEXT_KINDS, Event

NAME = "openai"
DELTA = "openai delta"
"""Under which an event keeps its delta: a dialect of a site's own may have our name."""
DONE = sse("[DONE]")
FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
FIELDS = {"text": "content", "reasoning": "reasoning_content"}


class OpenAIDialect(Dialect):
    """What OpenAI's SDKs read of a streamed chat completion."""

    name = NAME
    heartbeat = b":\n\n"
    has_cursors = False

    def __init__(self, *, usage: bool = False) -> None:
        """With `usage` the last chunk but `[DONE]` tells the tokens, as `stream_options.include_usage` asks for."""
        self._usage = usage

    def encoder(self, position: int = 0) -> OpenAIEncoder:
        """Return an encoder that begins at the start."""
        return OpenAIEncoder(usage=self._usage)


class OpenAIEncoder:
    """The chunks of one viewer, which all repeat the id, time and model of the completion."""

    def __init__(self, *, usage: bool = False) -> None:
        self._usage = usage
        self._head = ""
        self._calls: dict[str, dict[str, Any]] = {}

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the chunks of these events."""
        return b"".join(map(self._event, events))

    def _event(self, event: Event) -> bytes:
        if event.kind == "start":
            self._head = to_json(head(event.data["message"], "chat.completion.chunk"))[:-1]
            return self._delta({"role": "assistant", "content": ""})
        if event.kind in TEXT_KINDS:
            return self._text(event)
        if event.kind == "tool_call":
            self._calls[event.data["id"]] = event.data
        elif event.kind == "tool_result":
            self._calls.pop(event.data["id"], None)
        elif event.kind == "failed":
            return sse(to_json(error(event.data["error"]["message"], event.data["error"]["code"])))
        elif event.is_ending:
            return self._end(event.data["message"])
        return b""

    def _text(self, event: Event) -> bytes:
        frame = event.frames.get(DELTA)
        if frame is None:
            delta = f'{{"{FIELDS[event.kind]}":{encode_basestring_ascii(event.data)}}}'
            frame = event.frames[DELTA] = self._choice(delta, "null")
        return frame

    def _end(self, message: dict[str, Any]) -> bytes:
        calls = [{"index": index, **tool_call(part)} for index, part in enumerate(self._calls.values())]
        chunks = self._delta({"tool_calls": calls}) if calls else b""
        chunks += self._delta({}, finish_reason(message))
        if self._usage:
            chunks += sse(f'{self._head},"choices":[],"usage":{to_json(usage(message))}}}')
        return chunks + DONE

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return self._choice(to_json(delta), to_json(reason))

    def _choice(self, delta: str, reason: str) -> bytes:
        return sse(f'{self._head},"choices":[{{"index":0,"delta":{delta},"finish_reason":{reason}}}]}}')


def completion(message: dict[str, Any]) -> dict[str, Any]:
    """Return a finished answer, as `Message.to_dict` shows it, as one `chat.completion`."""
    said: dict[str, Any] = {"role": "assistant", "content": message["content"], "refusal": None}
    parts = message["parts"] or []
    reasoning = "".join(part["text"] for part in parts if part["type"] == "reasoning")
    if reasoning:
        said["reasoning_content"] = reasoning
    answered = {part["id"] for part in parts if part["type"] == "tool_result"}
    calls = [part for part in parts if part["type"] == "tool_call" and part["id"] not in answered]
    if calls:
        said["tool_calls"] = [tool_call(part) for part in calls]
        said["content"] = said["content"] or None
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish_reason(message)}
    return head(message, "chat.completion") | {"choices": [choice], "usage": usage(message)}


def head(message: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what every object of a completion begins with."""
    created = int(datetime.fromisoformat(message["created_at"]).timestamp())
    return {"id": f"chatcmpl-{message['id']}", "object": kind, "created": created, "model": message["model"]}


def tool_call(part: dict[str, Any]) -> dict[str, Any]:
    """Return a call in their form: the arguments are JSON as text, as the model wrote it."""
    arguments = part.get("raw") or to_json(part["arguments"])
    return {"id": part["id"], "type": "function", "function": {"name": part["name"], "arguments": arguments}}


def finish_reason(message: dict[str, Any]) -> str:
    """Return their word for the end of an answer that did not fail."""
    return message["finish_reason"] if message["finish_reason"] in FINISH_REASONS else "stop"


def usage(message: dict[str, Any]) -> dict[str, int]:
    """Return the tokens; 0 where the provider did not say."""
    asked, said = message["input_tokens"] or 0, message["output_tokens"] or 0
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def error(message: str, code: str, *, type: str = "server_error") -> dict[str, Any]:
    """Return an error in their form."""
    return {"error": {"message": message, "type": type, "param": None, "code": code}}
