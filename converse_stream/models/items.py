"""Items: what a developer may add to a conversation, in many forms, as messages that are not saved yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from django.utils import timezone

from converse_stream.cleaning import clean_json
from converse_stream.events import (
    CONTENT_KINDS,
    TEXT_KINDS,
    Data,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    text_of,
    to_delta,
    to_part,
    width,
)
from converse_stream.exceptions import ConverseError, InvalidContent
from converse_stream.models.choices import Role
from converse_stream.models.contents import check_content, check_metadata
from converse_stream.models.message import Message
from converse_stream.prompts import PromptMessage, Said
from converse_stream.rendering import PromptTemplate, rendered

Item: TypeAlias = str | PromptTemplate | Said | PromptMessage | ToolCall | ToolResult | Mapping[str, Any]
"""A text is the user's; a mapping has a `role` and a `content`, or is a tool call or a tool result."""
_KEYS = frozenset({"role", "type", "content", "parts", "metadata"})


def to_messages(items: Iterable[Any]) -> list[Message]:
    """Return the items as messages. Raise InvalidContent, ContentTooLong or ReservedMetadata, naming the item."""
    messages = []
    for index, item in enumerate(items):
        try:
            messages.append(_message(item))
        except ConverseError as error:
            error.args = (f"item {index}: {error}",)
            raise
    return messages


def listed(items: tuple[Any, ...]) -> Iterable[Any]:
    """Return items that were given one by one, or as one iterable, as one iterable."""
    if len(items) == 1 and isinstance(items[0], Iterable) and not isinstance(items[0], str | Mapping):
        return items[0]
    return items


def said(role: str, content: object, metadata: Mapping[str, Any] | None) -> Message:
    """Return what somebody says, a text or a template, as a finished message. Raise as `to_messages` does."""
    if role not in Role.values:
        raise InvalidContent(f"role must be one of {', '.join(Role.values)}, not {role!r}")
    text, template = rendered(content)
    return finished(role, [{"type": "text", "text": check_content(text)}], check_metadata(metadata) | template)


def finished(role: str, parts: Sequence[dict[str, Any]], metadata: dict[str, Any]) -> Message:
    """Return a complete message, not yet saved."""
    return Message(
        role=role,
        content=text_of(parts),
        parts=list(parts),
        metadata=metadata,
        length=sum(map(width, parts)),
        finished_at=timezone.now(),
    )


def _message(item: Any) -> Message:
    if isinstance(item, str | PromptTemplate):
        return said(Role.USER, item, None)
    if isinstance(item, Said):
        return said(item.role, item.content, item.metadata)
    if isinstance(item, PromptMessage):
        return _of_parts(item.role, item.parts, None)
    if isinstance(item, ToolCall | ToolResult):
        return _of_parts(Role.TOOL if isinstance(item, ToolResult) else Role.ASSISTANT, [_part(item)], None)
    if isinstance(item, Mapping):
        return _of_mapping(item)
    raise InvalidContent(f"{type(item).__name__} is nothing that can be added to a conversation")


def _of_mapping(item: Mapping[str, Any]) -> Message:
    kind = item.get("role", item.get("type"))
    if kind in ("tool_call", "tool_result"):
        return _message(_delta({**item, "type": kind}))
    unknown = sorted(map(str, set(item) - _KEYS))
    if kind is None or unknown:
        what = f"has unknown keys: {', '.join(unknown)}" if unknown else "has no role"
        raise InvalidContent(f"the mapping {what}; it may have role, content or parts, and metadata")
    if "parts" in item:
        return _of_parts(kind, item["parts"], item.get("metadata"))
    return said(kind, item.get("content"), item.get("metadata"))


def _of_parts(role: str, parts: Any, metadata: Mapping[str, Any] | None) -> Message:
    if role not in Role.values:
        raise InvalidContent(f"role must be one of {', '.join(Role.values)}, not {role!r}")
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise InvalidContent("parts must be a list with at least one part")
    kept = [_part(_delta(part)) for part in parts]
    texts = "".join(part["text"] for part in kept if part["type"] in TEXT_KINDS)
    if texts or all(part["type"] in TEXT_KINDS for part in kept):
        check_content(texts)
    return finished(role, kept, check_metadata(metadata))


def _delta(part: Any) -> Any:
    if not isinstance(part, Mapping) or part.get("type") not in CONTENT_KINDS:
        raise InvalidContent(f"a part must be a mapping whose type is one of {', '.join(sorted(CONTENT_KINDS))}")
    try:
        return to_delta(part)
    except TypeError as error:
        raise InvalidContent(f"a {part['type']} cannot be made: {error}") from error


def _part(delta: Text | Reasoning | ToolCall | ToolResult | Data) -> dict[str, Any]:
    try:
        part: dict[str, Any] = clean_json(to_part(delta))
    except TypeError as error:
        raise InvalidContent(str(error)) from error
    if part["type"] in TEXT_KINDS and not isinstance(part["text"], str):
        raise InvalidContent(f"text must be str, not {type(part['text']).__name__}")
    return part
