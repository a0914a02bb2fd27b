"""The wire format "Messages", outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://platform.claude.com/docs/en/api/messages (read 2026-11-21).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from converse_stream.events import dumps
from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.base import Codec
from converse_stream.providers.codecs.documents import content_block
from converse_stream.providers.codecs.parts import merged, result_text
from converse_stream.providers.codecs.trail import blobs, kept_blob, unrolled
from converse_stream.providers.options import COMMON
from converse_stream.providers.reasoning import effort_apart

Block = dict[str, Any]

_NOT_IN_AN_ID = re.compile("[^a-zA-Z0-9_-]")
_THINKING = frozenset({"thinking", "redacted_thinking"})


class MessagesRequest(Codec):
    """How Messages asks: only for what the caller set, and for `max_tokens`, without which it does not answer."""

    options = COMMON | {"temperature", "top_p"}
    max_tokens: ClassVar[int] = 32_000
    """The limit of an answer, thinking included, when the caller sets none: every model since Claude 4 takes it."""

    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return the one path there is."""
        return "/messages"

    def body(self, prompt: Prompt, *, stream: bool) -> dict[str, Any]:
        """Return the body; see Codec.body."""
        request: dict[str, Any] = {"model": prompt.model, "max_tokens": self.max_tokens, "stream": stream}
        request |= _spoken(prompt.messages)
        for name, value in prompt.options.items():
            request = merged(request, _option(name, value))
        return merged(request, prompt.options.get("extra") or {})


def _option(name: str, value: Any) -> dict[str, Any]:
    """Return what one option becomes in the body."""
    match name:
        case "stop":
            return {"stop_sequences": [value] if isinstance(value, str) else list(value)}
        case "tools":
            return {"tools": [_tool(tool) for tool in value]}
        case "tool_choice":
            return {"tool_choice": _tool_choice(value)}
        case "schema":
            schema = value["schema"] if isinstance(value.get("schema"), Mapping) else value
            return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        case "reasoning":
            return _reasoning(value)
        case "extra":
            return {}
    return {name: value}


def _reasoning(wanted: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    """Return how a model is asked to think: as much as it likes, with an effort, or as a mapping says.

    Newer models tell their thoughts only when they are asked to.
    """
    if isinstance(wanted, Mapping):
        effort, thinking = effort_apart(wanted)
        return ({} if effort is None else _reasoning(effort)) | ({"thinking": thinking} if thinking else {})
    if wanted in (False, "none"):
        return {"thinking": {"type": "disabled"}}
    asked: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}}
    return asked | ({"output_config": {"effort": wanted}} if isinstance(wanted, str) else {})


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool; one in this format already stays as it is, one in that of Chat Completions loses its envelope."""
    if isinstance(tool.get("function"), Mapping):
        tool = tool["function"]
    elif "type" in tool or "input_schema" in tool:
        return dict(tool)
    rest = {key: value for key, value in tool.items() if key != "parameters"}
    return {**rest, "input_schema": tool.get("parameters") or {"type": "object", "properties": {}}}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"type": "any" if choice == "required" else choice}
    return {"type": "tool", "name": choice["name"]}


# Messages


def without_thinking(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """Return the messages of a prompt without the thinking that they carry back."""
    return [PromptMessage(message.role, [_thoughtless(part) for part in message.parts]) for message in messages]


def _thoughtless(part: Mapping[str, Any]) -> Mapping[str, Any]:
    states = part.get("state") or ()
    rest = [state for state in states if kept_blob(state).get("type") not in _THINKING]
    return part if len(rest) == len(states) else {**part, "state": rest}


def _spoken(prompt: Sequence[PromptMessage]) -> dict[str, Any]:
    """Return the system prompt and the messages. Raise BadRequest if there are none, or for what cannot be sent."""
    system = "\n\n".join(message.text for message in prompt if message.role == "system" and message.text)
    messages: list[dict[str, Any]] = []
    for message in prompt:
        for role, blocks in _turns(message, is_last=message is prompt[-1]):
            _join(messages, role, blocks)
    if not messages:
        raise BadRequest("the prompt has no messages")
    return {**({"system": system} if system else {}), "messages": messages}


def _join(messages: list[dict[str, Any]], role: str, blocks: list[Block]) -> None:
    """Add blocks to the messages: to the last one if it has the same role."""
    if not blocks:
        return
    if not messages or messages[-1]["role"] != role:
        messages.append({"role": role, "content": []})
    # Results answer the calls before them only at the head of a message.
    content = [*messages[-1]["content"], *blocks]
    messages[-1]["content"] = sorted(content, key=lambda block: block["type"] != "tool_result")


def _turns(message: PromptMessage, *, is_last: bool) -> Iterator[tuple[str, list[Block]]]:
    """Yield a message as the turns that it was: an answer of ours holds all its tool steps."""
    if message.role == "user":
        yield "user", [block for part in message.parts for block in _asked(part)]
    elif message.role != "system":
        said: list[Block] = []
        for part in message.parts:
            if part["type"] == "tool_result":
                yield "assistant", _settled(said)
                yield "user", [_result(part)]
                said = []
            else:
                said += _said(part)
        yield "assistant", said if is_last else _settled(said)


def _asked(part: Mapping[str, Any]) -> Iterator[Block]:
    if part["type"] == "file":
        yield content_block(part)
    elif part["type"] == "text":
        yield from _text(part["text"])


def _said(part: Mapping[str, Any]) -> Iterator[Block]:
    match part["type"]:
        case "text":
            for piece in unrolled(part):
                yield from _text(piece) if isinstance(piece, str) else [piece]
        case "reasoning":
            yield from blobs(part)  # thinking without its signature is refused
        case "tool_call":
            # Arguments that were no object have no form here; an error result has told the model.
            # In the record's order of keys: to Anthropic another order may be another conversation.
            arguments = part.get("arguments")
            given = json.loads(dumps(arguments)) if isinstance(arguments, Mapping) else {}
            yield {"type": "tool_use", "id": _id(part["id"]), "name": part["name"], "input": given}
        case "file":
            raise BadRequest("this provider takes files in a user's messages only")


def _text(text: str) -> list[Block]:
    # A text of nothing but white space is refused.
    return [{"type": "text", "text": text}] if text.strip() else []


def _result(part: Mapping[str, Any]) -> Block:
    sent = {"type": "tool_result", "tool_use_id": _id(part["id"])}
    if part.get("is_error"):
        return {**sent, "content": result_text({**part, "is_error": False}), "is_error": True}
    return {**sent, "content": result_text(part)}


def _settled(blocks: list[Block]) -> list[Block]:
    """Return an answer's blocks without what it has left open and may not: thoughts and searches without a result."""
    answered = {block.get("tool_use_id") for block in blocks}
    settled = [block for block in blocks if not _is_of_the_server(block) or block.get("id") in answered]
    while settled and settled[-1]["type"] in _THINKING:
        settled.pop()
    return settled


def _is_of_the_server(block: Block) -> bool:
    """Return whether a block is a call of one of the server's own tools."""
    kind: str = block["type"]
    return kind != "tool_use" and kind.endswith("_tool_use")


def _id(id: str) -> str:
    # Ids of other providers may have characters that are refused here.
    return _NOT_IN_AN_ID.sub("_", id)
