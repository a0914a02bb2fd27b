"""What a model is told of a conversation: a prompt that no failed, stopped or half-done answer can poison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from converse_stream.models.choices import Status
from converse_stream.models.conversation import Conversation
from converse_stream.models.message import Message
from converse_stream.prompts import PromptMessage

INTERRUPTED = "The call was interrupted and has no result."


def leaf(conversation: Conversation, *, using: str | None = None) -> Message | None:
    """Return the newest finished message that a next one should follow: no failed one, unless its tools have run."""
    rows = Message.objects.using(using).filter(conversation=conversation).exclude(status__in=("pending", "streaming"))
    for message in rows.order_by("-number").iterator(chunk_size=20):
        if message.status != Status.FAILED or _pairs(message.parts):
            return message
    return None


def history(conversation: Conversation, *, parent: Message | None = None) -> list[PromptMessage]:
    """Return the prompt messages from the root to `parent`; see Conversation.history."""
    prompt = [_text("system", conversation.system_prompt)] if conversation.system_prompt else []
    for message in _line(conversation, parent or leaf(conversation)):
        parts = tellable(message)
        if parts:
            prompt.append(PromptMessage(message.role, parts))
    return prompt


ahistory = sync_to_async(history)


def _line(conversation: Conversation, last: Message | None) -> QuerySet[Message]:
    parents: dict[Any, Any] = dict(conversation.messages.values_list("pk", "parent_id"))
    line, at = [], last.pk if last else None
    while at is not None:
        line.append(at)
        at = parents.get(at)
    return conversation.messages.filter(pk__in=line).order_by("number")


def tellable(message: Message) -> list[Mapping[str, Any]]:
    """Return the parts of a message that a model is told: none of what failed or was never said."""
    parts = message.committed_parts()
    if message.status == Status.COMPLETE:
        return list(_repaired(parts))
    if message.status == Status.CANCELLED and any(part["type"] == "text" and part["text"] for part in parts):
        return list(_repaired(parts))
    if message.status == Status.FAILED:
        return _pairs(parts)
    return []


def _pairs(parts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    results = {part["id"] for part in parts if part["type"] == "tool_result"}
    return [part for part in parts if part["type"] in ("tool_call", "tool_result") and part["id"] in results]


def _repaired(parts: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts, with a result after the calls that never got one: providers refuse calls that dangle."""
    results = {part["id"] for part in parts if part["type"] == "tool_result"}
    missing: list[Mapping[str, Any]] = []
    for part in parts:
        if part["type"] == "tool_call" and part["id"] not in results:
            result = {"id": part["id"], "name": part["name"], "result": INTERRUPTED, "is_error": True}
            missing.append({"type": "tool_result", **result})
        elif part["type"] != "tool_call":  # calls in a row were made at once
            yield from missing
            missing.clear()
        yield part
    yield from missing


def _text(role: str, text: str) -> PromptMessage:
    return PromptMessage(role, [{"type": "text", "text": text}])
