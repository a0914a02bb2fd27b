"""What a model is told of a conversation: a prompt that no failed, stopped or half-done answer can poison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from converse_stream.models.choices import Role, Status
from converse_stream.models.conversation import Conversation
from converse_stream.models.message import Message
from converse_stream.prompts import PromptMessage
from converse_stream.windows import Window

Part: TypeAlias = Mapping[str, Any]
INTERRUPTED = "The call was interrupted and has no result."


def leaf(conversation: Conversation, *, using: str | None = None) -> Message | None:
    """Return the newest finished message that a next one should follow: no failed one, unless its tools have run."""
    rows = Message.objects.using(using).filter(conversation=conversation).exclude(status__in=("pending", "streaming"))
    for message in rows.order_by("-number").iterator(chunk_size=20):
        if "crew" in message.metadata:
            continue  # an agent's turn; the crew's own message stands for it
        if message.status != Status.FAILED or _pairs(message.parts):
            return message
    return None


def history(
    conversation: Conversation,
    *,
    parent: Message | None = None,
    system: str | None = None,
    window: Window | None = None,
) -> list[PromptMessage]:
    """Return the prompt messages from the root to `parent`, or those in a window; see Conversation.history."""
    first = conversation.system_prompt if system is None else system
    told: list[tuple[str, list[Part]]] = [("system", [{"type": "text", "text": first}])] if first else []
    last = parent or leaf(conversation)
    is_alone = last is not None and last.parent_id is None and not last.is_live  # what has ended stays as it is
    for message in [last] if last and is_alone else _line(conversation, last):
        parts = _told(message)
        if message.role == Role.TOOL:
            parts = _answered(told, parts)
        if parts:
            told.append((message.role, parts))
    prompt = [PromptMessage(role, list(_repaired(parts))) for role, parts in told]
    return prompt if window is None else window.fit(prompt)


ahistory = sync_to_async(history)


def _line(conversation: Conversation, last: Message | None) -> QuerySet[Message]:
    parents: dict[Any, Any] = dict(conversation.messages.values_list("pk", "parent_id"))
    line, at = [], last.pk if last else None
    while at is not None:
        line.append(at)
        at = parents.get(at)
    return conversation.messages.filter(pk__in=line).order_by("number")


def tellable(message: Message) -> list[Part]:
    """Return the parts of a message that a model is told: none of what failed or was never said."""
    return list(_repaired(_told(message)))


def _told(message: Message) -> list[Part]:
    parts = message.committed_parts()
    if message.status == Status.COMPLETE:
        return list(parts)
    if message.status == Status.CANCELLED and any(part["type"] == "text" and part["text"] for part in parts):
        return list(parts)
    if message.status in (Status.FAILED, Status.CANCELLED):
        return _pairs(parts)
    return []


def _answered(told: Sequence[tuple[str, list[Part]]], parts: Iterable[Part]) -> list[Part]:
    """Put the results of a tool message behind their calls, in the same message. Return the other parts.

    A result whose call is not told is told to nobody: providers refuse it.
    """
    rest = []
    for part in parts:
        if part["type"] != "tool_result":
            rest.append(part)
            continue
        for _role, before in reversed(told):
            if any(call["type"] == "tool_call" and call["id"] == part["id"] for call in before):
                before.append(part)
                break
    return rest


def tool_steps(message: Message) -> list[Part]:
    """Return the tools that were called in a message, and what came of them: of some it may be that nobody knows."""
    return list(_repaired([part for part in message.committed_parts() if part["type"] in ("tool_call", "tool_result")]))


def _pairs(parts: Sequence[Part]) -> list[Part]:
    results = {part["id"] for part in parts if part["type"] == "tool_result"}
    return [part for part in parts if part["type"] in ("tool_call", "tool_result") and part["id"] in results]


def _repaired(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield the parts, with a result after the calls that never got one: providers refuse calls that dangle."""
    results = {part["id"] for part in parts if part["type"] == "tool_result"}
    missing: list[Part] = []
    for part in parts:
        if part["type"] == "tool_call" and part["id"] not in results:
            result = {"id": part["id"], "name": part["name"], "result": INTERRUPTED, "is_error": True}
            missing.append({"type": "tool_result", **result})
        elif part["type"] != "tool_call":  # calls in a row were made at once
            yield from missing
            missing.clear()
        yield part
    yield from missing
