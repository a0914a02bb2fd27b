"""The wire format "Chat Completions", outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://platform.openai.com/docs/api-reference/chat/create (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.base import Codec
from converse_stream.providers.codecs.parts import address, arguments_json, merged, result_text
from converse_stream.providers.options import COMMON, SAMPLING
from converse_stream.providers.reasoning import effort_apart


@dataclass(slots=True)
class Step:
    """What the model said in one go: text, and calls that are answered before it goes on."""

    reasoning: list[Mapping[str, Any]] = field(default_factory=list)
    """The parts; they hold the state that this provider's model has left."""
    texts: list[str] = field(default_factory=list)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    is_answered: bool = False


class ChatRequest(Codec):
    """How Chat Completions asks: only for what the caller set. Where a server differs, a subclass says how."""

    options = SAMPLING | COMMON
    reasoning_options: ClassVar[frozenset[str] | None] = frozenset({"reasoning_effort"})
    option_names: ClassVar[Mapping[str, str]] = {}
    """The server's names for options, where they are others than ours."""
    include_usage: ClassVar[bool] = True
    """Whether to ask for usage with `stream_options`."""

    @property
    def max_tokens_name(self) -> str:
        """The server's name for the limit of an answer's tokens."""
        return "max_tokens"

    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return the one path there is."""
        return "/chat/completions"

    def body(self, prompt: Prompt, *, stream: bool) -> dict[str, Any]:
        """Return the body; see Codec.body."""
        request: dict[str, Any] = {"model": prompt.model, "messages": self.messages(prompt), "stream": stream}
        for name, value in prompt.options.items():
            request |= self.option(name, value, prompt)
        if stream and self.include_usage:
            request["stream_options"] = {"include_usage": True}
        return merged(request, prompt.options.get("extra") or {})

    def messages(self, prompt: Prompt) -> list[dict[str, Any]]:
        """Return the messages of a prompt. Raise BadRequest if there are none, or for a part that cannot be sent."""
        if not prompt.messages:
            raise BadRequest("the prompt has no messages")
        with_tools = bool(prompt.options.get("tools")) or any(
            part["type"] == "tool_call" for message in prompt.messages for part in message.parts
        )
        return [sent for message in prompt.messages for sent in self._message(message, with_tools)]

    # What servers differ in

    def option(self, name: str, value: Any, prompt: Prompt) -> dict[str, Any]:
        """Return what one option becomes in the body."""
        match name:
            case "reasoning":
                return self.reasoning(value, prompt.model)
            case "tool_choice":
                return {"tool_choice": self.tool_choice(value)}
            case "tools":
                # A tool in this format already stays as it is.
                return {"tools": [tool if "type" in tool else {"type": "function", "function": tool} for tool in value]}
            case "schema":
                return {"response_format": {"type": "json_schema", "json_schema": _named(value)}}
            case "max_tokens":
                return {self.max_tokens_name: value}
            case "extra":
                return {}
        return {self.option_names.get(name, name): value}

    def reasoning(self, wanted: bool | str | Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return how a model is asked to think: an effort, whether at all, or a mapping of both and further fields."""
        if isinstance(wanted, Mapping):
            effort, further = effort_apart(wanted)
            return ({} if effort is None else self.reasoning(effort, model)) | further
        if isinstance(wanted, str):
            return {"reasoning_effort": wanted}
        return {} if wanted else {"reasoning_effort": "none"}

    def tool_choice(self, choice: str | Mapping[str, Any]) -> Any:
        """Return which tools may be called, or must be."""
        return choice if isinstance(choice, str) else {"type": "function", "function": {"name": choice["name"]}}

    def kept(self, step: Step, *, with_tools: bool) -> dict[str, Any]:
        """Return what an answer of the model carries back to it besides text and calls."""
        return {}

    def call_id(self, id: str) -> str:
        """Return a tool call's id as the server accepts it; the same one for the same id."""
        return id

    def file(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return a file as a part of a message. Raise BadRequest for one that the server takes not."""
        if part["media_type"].startswith("image/"):
            return {"type": "image_url", "image_url": {"url": address(part)}}
        raise BadRequest(f"this provider takes no files of the type {part['media_type']}")

    # What they have in common

    def _message(self, message: PromptMessage, with_tools: bool) -> Iterator[dict[str, Any]]:
        if message.role == "assistant":
            yield from self._answer(message, with_tools)
        elif message.role == "tool":
            for part in message.parts:
                if part["type"] == "tool_result":
                    yield self._result(part)
        else:
            yield {"role": message.role, "content": self._content(message)}

    def _content(self, message: PromptMessage) -> str | list[dict[str, Any]]:
        if all(part["type"] != "file" for part in message.parts):
            return message.text
        return [
            self.file(part) if part["type"] == "file" else {"type": "text", "text": part["text"]}
            for part in message.parts
            if part["type"] == "file" or (part["type"] == "text" and part["text"])
        ]

    def _answer(self, message: PromptMessage, with_tools: bool) -> Iterator[dict[str, Any]]:
        """Yield an answer of ours, which holds all its tool steps, as the several messages that it was."""
        results = {part["id"]: part for part in message.parts if part["type"] == "tool_result"}
        for step in steps(message.parts):
            sent: dict[str, Any] = {"role": "assistant", "content": "".join(step.texts) or None}
            if step.calls:
                sent["tool_calls"] = [self._call(call) for call in step.calls]
            if step.calls or sent["content"]:
                yield sent | self.kept(step, with_tools=with_tools)
            for call in step.calls:
                if call["id"] in results:
                    yield self._result(results[call["id"]])

    def _call(self, part: Mapping[str, Any]) -> dict[str, Any]:
        function = {"name": part["name"], "arguments": arguments_json(part)}
        return {"id": self.call_id(part["id"]), "type": "function", "function": function}

    def _result(self, part: Mapping[str, Any]) -> dict[str, Any]:
        return {"role": "tool", "tool_call_id": self.call_id(part["id"]), "content": result_text(part)}


def _named(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = schema if "schema" in schema else {"name": schema.get("title", "answer"), "schema": schema}
    return {"strict": True, **named}


def steps(parts: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """Yield the steps of an answer of ours; the last may be empty."""
    step = Step()
    for part in parts:
        if part["type"] == "tool_result":
            step.is_answered = True
        elif part["type"] in ("text", "reasoning", "tool_call"):
            if step.is_answered:
                yield step
                step = Step()
            if part["type"] == "text":
                step.texts.append(part["text"])
            else:
                (step.calls if part["type"] == "tool_call" else step.reasoning).append(part)
    yield step
