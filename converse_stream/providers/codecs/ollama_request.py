"""Ollama's own format, outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://docs.ollama.com/api/chat (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.base import Codec
from converse_stream.providers.codecs.chat_request import Step, steps
from converse_stream.providers.codecs.parts import merged, result_text
from converse_stream.providers.options import COMMON, SAMPLING
from converse_stream.providers.reasoning import effort_apart


class OllamaRequest(Codec):
    """How Ollama is asked in its own format: only for what the caller set."""

    options = SAMPLING | COMMON - {"tool_choice"}
    reasoning_options = frozenset({"think"})

    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return the one path there is."""
        return "/api/chat"

    def body(self, prompt: Prompt, *, stream: bool) -> dict[str, Any]:
        """Return the body; see Codec.body."""
        if not prompt.messages:
            raise BadRequest("the prompt has no messages")
        messages = [sent for message in prompt.messages for sent in _message(message)]
        request = {"model": prompt.model, "messages": messages, "stream": stream}
        for name, value in prompt.options.items():
            request = merged(request, _option(name, value))
        return merged(request, prompt.options.get("extra") or {})


def _option(name: str, value: Any) -> dict[str, Any]:
    """Return what one option becomes in the body."""
    match name:
        case "max_tokens":
            return {"options": {"num_predict": value}}
        case "stop":
            return {"options": {"stop": [value] if isinstance(value, str) else list(value)}}
        case "tools":
            # A tool in this format already stays as it is.
            return {"tools": [tool if "type" in tool else {"type": "function", "function": tool} for tool in value]}
        case "schema":
            return {"format": value.get("schema", value)}
        case "reasoning":
            return _reasoning(value)
        case "extra":
            return {}
    return {"options": {name: value}}


def _reasoning(wanted: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(wanted, Mapping):
        return {"think": wanted}
    effort, further = effort_apart(wanted)
    return ({} if effort is None else {"think": effort}) | further


def _message(message: PromptMessage) -> Iterator[dict[str, Any]]:
    files = [part for part in message.parts if part["type"] == "file"]
    if files and message.role != "user":
        raise BadRequest("this provider takes files in a user's messages only")
    if message.role == "assistant":
        yield from _answer(message)
    elif message.role == "tool":
        for part in message.parts:
            if part["type"] == "tool_result":
                yield _result(part)
    else:
        images = {"images": [_image(part) for part in files]} if files else {}
        yield {"role": message.role, "content": message.text, **images}


def _answer(message: PromptMessage) -> Iterator[dict[str, Any]]:
    """Yield an answer of ours, which holds all its tool steps, as the several messages that it was."""
    results = {part["id"]: part for part in message.parts if part["type"] == "tool_result"}
    for step in steps(message.parts):
        if step.texts or step.calls:
            yield _step(step)
        for call in step.calls:
            if call["id"] in results:
                yield _result(results[call["id"]])


def _step(step: Step) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": "assistant", "content": "".join(step.texts)}
    if step.calls:
        sent["tool_calls"] = [_call(call) for call in step.calls]
        # Models go on thinking after a result from where they were; templates drop what is older.
        thinking = "".join(part["text"] for part in step.reasoning)
        if thinking:
            sent["thinking"] = thinking
    return sent


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    # Whatever is no object would be refused; an error result has told the model.
    arguments = part.get("arguments")
    return {"function": {"name": part["name"], "arguments": arguments if isinstance(arguments, Mapping) else {}}}


def _result(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "tool", "tool_name": part["name"], "content": result_text(part)}


def _image(part: Mapping[str, Any]) -> str:
    if not part["media_type"].startswith("image/"):
        raise BadRequest(f"Ollama takes no files of the type {part['media_type']}")
    if not part.get("data"):
        raise BadRequest("Ollama takes images with their bytes only, not by their address")
    return str(part["data"])
