"""The wire format "Chat Completions", outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://platform.openai.com/docs/api-reference/chat/create (read 2026-11-21).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converse_stream.events import dumps
from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.options import COMMON, SAMPLING

OPTIONS = SAMPLING | COMMON


def body(prompt: Prompt, *, max_tokens_name: str = "max_tokens", stream: bool = True) -> dict[str, Any]:
    """Return the body of a request: only what the caller set. Raise BadRequest for what cannot be asked."""
    request: dict[str, Any] = {"model": prompt.model, "messages": messages(prompt.messages), "stream": stream}
    for name, value in prompt.options.items():
        if name in ADAPTED:
            request |= ADAPTED[name](value)
        elif name != "extra":
            request[max_tokens_name if name == "max_tokens" else name] = value
    return request | dict(prompt.options.get("extra") or {})


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


def _tools(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # A tool in this format already stays as it is.
    return {"tools": [tool if "type" in tool else {"type": "function", "function": tool} for tool in tools]}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"tool_choice": choice}
    return {"tool_choice": {"type": "function", "function": {"name": choice["name"]}}}


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = schema if "schema" in schema else {"name": schema.get("title", "answer"), "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": {"strict": True, **named}}}


def _reasoning(reasoning: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(reasoning, Mapping):
        return dict(reasoning)
    if isinstance(reasoning, str):
        return {"reasoning_effort": reasoning}
    return {} if reasoning else {"reasoning_effort": "none"}


ADAPTED: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "tools": _tools,
    "tool_choice": _tool_choice,
    "schema": _schema,
    "reasoning": _reasoning,
}
"""What an option becomes that has another shape here than in our list."""
