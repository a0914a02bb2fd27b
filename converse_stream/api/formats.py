"""The forms a conversation is exported in: each writes one message at a time, between a beginning and an end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from converse_stream.events import dumps
from converse_stream.models import Conversation, Message, Role, Status
from converse_stream.models.history import tellable
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.chat_request import ChatRequest
from converse_stream.providers.codecs.parts import address
from converse_stream.state import public_parts


class ExportFormat(ABC):
    """One form. JSON forms are an array of items; what an item is, each says itself."""

    content_type = "application/json"
    suffix = "json"
    whole = False
    """Whether all messages are exported, or those on the way from the root to the newest leaf."""

    def begin(self, conversation: Conversation) -> str:
        """Return what comes before the first message."""
        return '{"messages":['

    def end(self) -> str:
        """Return what comes behind the last message."""
        return "]}"

    separator = ","

    @abstractmethod
    def items(self, message: Message) -> Iterable[str]:
        """Return what a message becomes: any number of items."""


class JSONFormat(ExportFormat):
    """Everything an owner may know, all branches."""

    whole = True

    def begin(self, conversation: Conversation) -> str:
        """Return the conversation and the beginning of its messages."""
        shown = {
            "id": str(conversation.pk),
            "title": conversation.title,
            "model": conversation.model,
            "created_at": conversation.created_at.isoformat(),
            "updated_at": conversation.updated_at.isoformat(),
        }
        return f'{{"conversation":{dumps(shown)},"messages":['

    def items(self, message: Message) -> Iterable[str]:
        """Return the message as it is everywhere."""
        return [dumps(message.to_dict())]


class MarkdownFormat(ExportFormat):
    """A page to read."""

    content_type = "text/markdown; charset=utf-8"
    suffix = "md"
    separator = ""

    def begin(self, conversation: Conversation) -> str:
        """Return the title."""
        return f"# {conversation.title or _('Conversation')}\n"

    def end(self) -> str:
        """Return nothing."""
        return ""

    def items(self, message: Message) -> Iterable[str]:
        """Return who speaks and what is said; of what did not end properly, how it ended."""
        name = {Role.USER.value: _("You"), Role.ASSISTANT.value: message.model or _("Answer")}.get(message.role)
        ended = "" if message.status == Status.COMPLETE else f"\n\n*({Status(message.status).label})*"
        return [f"\n## {name or Role(message.role).label}\n\n{message.content}{ended}\n"]


class OpenAIFormat(ExportFormat):
    """The messages of Chat Completions: what a model would be told, without the system prompt."""

    def items(self, message: Message) -> Iterable[str]:
        """Return a message, or the several ones that an answer with tool calls is."""
        parts = [part for part in public_parts(tellable(message)) if part["type"] != "file"]
        if not parts:
            return []
        prompt = Prompt([PromptMessage(message.role, parts)], "")
        return [dumps(sent) for sent in ChatRequestOnPaper("").messages(prompt)]


class ChatRequestOnPaper(ChatRequest):
    """Never sent to a server."""


class UIMessagesFormat(ExportFormat):
    """The `UIMessage` objects of the AI SDK, for `useChat({messages})`."""

    def begin(self, conversation: Conversation) -> str:
        """Begin an array: that is what `messages` takes."""
        return "["

    def end(self) -> str:
        """End it."""
        return "]"

    def items(self, message: Message) -> Iterable[str]:
        """Return a question or an answer; the AI SDK knows no other."""
        if message.role not in (Role.USER, Role.ASSISTANT):
            return []
        parts = list(ui_parts(public_parts(message.committed_parts())))
        metadata = {"status": message.status, "createdAt": message.created_at.isoformat()}
        return [dumps({"id": str(message.pk), "role": message.role, "metadata": metadata, "parts": parts})]


def ui_parts(parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the parts as the AI SDK shows them: a call and its result are one."""
    results = {part["id"]: part for part in parts if part["type"] == "tool_result"}
    for part in parts:
        match part["type"]:
            case "text" | "reasoning":
                yield {"type": part["type"], "text": part["text"], "state": "done"}
            case "tool_call":
                yield _tool(part, results.get(part["id"]))
            case "data":
                yield {"type": f"data-{part['name']}", "data": part["value"]}
            case "file":
                yield {"type": "file", "mediaType": part["media_type"], "url": address(part)}


def _tool(call: Mapping[str, Any], result: Mapping[str, Any] | None) -> dict[str, Any]:
    shown = {"type": f"tool-{call['name']}", "toolCallId": call["id"], "input": call["arguments"]}
    if result is None:
        return shown | {"state": "input-available"}
    if result["is_error"]:
        text = result["result"]
        return shown | {"state": "output-error", "errorText": text if isinstance(text, str) else dumps(text)}
    return shown | {"state": "output-available", "output": result["result"]}


FORMATS: Mapping[str, ExportFormat] = {
    "json": JSONFormat(),
    "markdown": MarkdownFormat(),
    "openai": OpenAIFormat(),
    "ui-messages": UIMessagesFormat(),
}
"""The forms by the name that `?as=` gives."""
