"""The wire format "Chat Completions", outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://platform.openai.com/docs/api-reference/chat/create (read 2026-11-21).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converse_stream.events import dumps
from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage

OPTIONS = frozenset(
    {
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "logit_bias",
        "response_format",
        "reasoning_effort",
        "verbosity",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "service_tier",
        "user",
        "safety_identifier",
        "prompt_cache_key",
    }
)
"""The options of a call. Whatever else a server takes goes into `extra`, a mapping merged into the body as it is."""


def body(prompt: Prompt, *, max_tokens_name: str = "max_tokens", include_usage: bool = True) -> dict[str, Any]:
    """Return the body of a streaming request: only what the caller set. Raise BadRequest for what cannot be asked."""
    if not prompt.model:
        raise BadRequest("no model is named: ask for 'provider:model', or set 'model' in the provider's config")
    request: dict[str, Any] = {"model": prompt.model, "messages": messages(prompt.messages), "stream": True}
    if include_usage:
        request["stream_options"] = {"include_usage": True}
    options = dict(prompt.options)
    extra = options.pop("extra", None) or {}
    if not isinstance(extra, Mapping):
        raise BadRequest(f"the option 'extra' must be a mapping, not {type(extra).__name__}")
    for name, value in options.items():
        if name not in OPTIONS:
            raise BadRequest(f"unknown option {name!r}; known are {', '.join(sorted(OPTIONS))}, and 'extra' for others")
        if value is not None:
            request[max_tokens_name if name == "max_tokens" else name] = value
    if request.get("tools"):
        request["tools"] = [_tool(tool) for tool in request["tools"]]
    return request | dict(extra)


def messages(prompt: Sequence[PromptMessage]) -> list[dict[str, Any]]:
    """Return the messages of a prompt. Raise BadRequest if there are none, or for a part that cannot be sent."""
    if not prompt:
        raise BadRequest("the prompt has no messages")
    return [sent for message in prompt for sent in _message(message)]


def _message(message: PromptMessage) -> Iterator[dict[str, Any]]:
    if any(part["type"] == "file" for part in message.parts):
        raise BadRequest("this provider takes no files")
    if message.role == "assistant":
        yield from _answer(message)
    elif message.role == "tool":
        for part in message.parts:
            if part["type"] == "tool_result":
                yield _result(part)
    else:
        yield {"role": message.role, "content": message.text}


@dataclass(slots=True)
class _Step:
    """What the model said in one go: text, and calls that are answered before it goes on."""

    texts: list[str] = field(default_factory=list)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    answered: bool = False


def _answer(message: PromptMessage) -> Iterator[dict[str, Any]]:
    """Yield an answer of ours, which holds all its tool steps, as the several messages that it was."""
    results = {part["id"]: part for part in message.parts if part["type"] == "tool_result"}
    for step in _steps(message.parts):
        sent: dict[str, Any] = {"role": "assistant", "content": "".join(step.texts) or None}
        if step.calls:
            sent["tool_calls"] = [_call(call) for call in step.calls]
        if step.calls or sent["content"]:
            yield sent
        for call in step.calls:
            if call["id"] in results:
                yield _result(results[call["id"]])


def _steps(parts: Sequence[Mapping[str, Any]]) -> Iterator[_Step]:
    step = _Step()
    for part in parts:
        if part["type"] == "tool_result":
            step.answered = True
        elif part["type"] in ("text", "tool_call"):
            if step.answered:
                yield step
                step = _Step()
            if part["type"] == "text":
                step.texts.append(part["text"])
            else:
                step.calls.append(part)
    yield step


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    # Arguments that were no JSON have no parsed form and would be refused; an error result has told the model.
    arguments = part.get("arguments")
    raw = "{}" if arguments is None else part.get("raw") or dumps(arguments)
    return {"id": part["id"], "type": "function", "function": {"name": part["name"], "arguments": raw}}


def _result(part: Mapping[str, Any]) -> dict[str, Any]:
    result = part["result"]
    text = result if isinstance(result, str) else dumps(result)
    return {"role": "tool", "tool_call_id": part["id"], "content": f"Error: {text}" if part.get("is_error") else text}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool in this format: `{"name", "description", "parameters"}` gets its envelope, the rest stays."""
    return tool if "type" in tool else {"type": "function", "function": tool}
