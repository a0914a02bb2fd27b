"""Responded: the finished answer that a provider's library has returned, as a message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async

from converse_stream.cleaning import LONGEST_MODEL, LONGEST_PROVIDER, clean_json, clean_name
from converse_stream.events import Content, Reasoning, Text, ToolCall, to_part
from converse_stream.exceptions import InvalidContent
from converse_stream.models.choices import Role
from converse_stream.models.contents import check_metadata
from converse_stream.models.conversation import Conversation
from converse_stream.models.figures import figures
from converse_stream.models.items import finished
from converse_stream.models.message import Message
from converse_stream.models.opening import check_parent, insert
from converse_stream.outcome import read_outcome
from converse_stream.shapes import first, get, listed, text


def add_response(
    conversation: Conversation,
    response: object,
    *,
    model: str = "",
    provider: str = "",
    metadata: Mapping[str, Any] | None = None,
    parent: Message | None = None,
) -> Message:
    """Append a finished answer; see Conversation.add_response."""
    check_parent(parent=parent)
    kept = check_metadata(metadata)
    parts = [clean_json(to_part(content)) for content in read_answer(response)]
    if not parts:
        raise InvalidContent(f"a {type(response).__name__} that says nothing: no text, no reasoning, no tool call")
    message = finished(Role.ASSISTANT, parts, kept)
    known = {"finish_reason": "stop", **({} if isinstance(response, str) else read_outcome(response).columns())}
    request_id = known.pop("request_id", "")
    for name, value in known.items():
        setattr(message, name, value)
    message.provider = clean_name(provider, "provider", LONGEST_PROVIDER)
    message.model = clean_name(model, "model", LONGEST_MODEL) or message.model
    message.delta_count = len(parts)
    message.metadata = kept | figures(message, request_id=request_id, streamed=False)
    insert(conversation, [message], parent=parent)
    return message


aadd_response = sync_to_async(add_response)


def read_answer(response: object) -> list[Content]:
    """Return what is said by a text, or by a response of OpenAI's (Chat Completions, Responses) or Anthropic's library.

    It may be their object or the mapping of its JSON.
    """
    if isinstance(response, str):
        return [Text(response)] if response else []
    message = get(first(get(response, "choices")), "message")
    if message is not None:
        return list(_of_completion(message))
    blocks = [*listed(get(response, "output")), *listed(get(response, "content"))]
    return [content for block in blocks for content in _of_block(block)]


def _of_completion(message: object) -> Iterator[Content]:
    reasoning = text(get(message, "reasoning_content", "reasoning"))
    if reasoning:
        yield Reasoning(reasoning)
    said = text(get(message, "content")) or text(get(message, "refusal"))
    if said:
        yield Text(said)
    for call in listed(get(message, "tool_calls")):
        function = get(call, "function")
        yield _call(get(call, "id"), get(function, "name"), get(function, "arguments"))


def _of_block(block: object) -> Iterator[Content]:
    """Yield what an item of a Responses output, or a block of an Anthropic message, says."""
    kind = get(block, "type")
    if kind in ("function_call", "tool_use"):
        yield _call(get(block, "call_id", "id"), get(block, "name"), get(block, "arguments", "input"))
    elif kind in ("thinking", "reasoning"):
        told = text(get(block, "thinking")) or "\n\n".join(_texts(get(block, "summary")))
        yield from [Reasoning(told)] if told else ()
    elif kind in ("message", "text"):
        yield from map(Text, _texts([block] if kind == "text" else get(block, "content")))


def _texts(parts: object) -> list[str]:
    return [said for part in listed(parts) if (said := text(get(part, "text", "refusal")))]


def _call(call_id: object, name: object, arguments: object) -> ToolCall:
    if not isinstance(arguments, str):
        return ToolCall(text(call_id), text(name), arguments)
    try:
        return ToolCall(text(call_id), text(name), json.loads(arguments), arguments)
    except (ValueError, RecursionError):  # the model wrote no JSON: kept as it is
        return ToolCall(text(call_id), text(name), None, arguments)
