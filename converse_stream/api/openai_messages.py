"""OpenAI's messages as ours: a system prompt, finished messages, and the question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from converse_stream.cleaning import clean_json
from converse_stream.exceptions import InvalidContent
from converse_stream.models import Message, Role
from converse_stream.models.contents import check_content
from converse_stream.models.items import finished
from converse_stream.providers.codecs.values import is_shallow, parsed

SYSTEM = ("system", "developer")


@dataclass(slots=True)
class History:
    """What was said before, and what is asked."""

    system_prompt: str = ""
    messages: list[Message] = field(default_factory=list)
    """Finished messages, not yet saved."""
    prompt: str | None = None
    """The question; None where the tools have answered and the model is to go on."""

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]]) -> Self:
        """Return what these messages say. Raise InvalidContent."""
        history = cls()
        for message in messages:
            history._add(message)
        last = history.messages[-1] if history.messages else None
        if last is not None and last.role == Role.USER:
            history.messages.pop()
            history.prompt = check_content(last.content)
        elif last is None or last.parts[-1]["type"] != "tool_result":
            raise InvalidContent("the last message must be the user's, or the result of a tool")
        return history

    def _add(self, message: Mapping[str, Any]) -> None:
        role, text = message.get("role"), _text(message.get("content"))
        if role in SYSTEM and not self.messages:
            self.system_prompt = "\n\n".join(filter(None, (self.system_prompt, text)))
        elif role in SYSTEM or role == "user":
            check_content(text)
            self.messages.append(finished(Role.USER if role == "user" else Role.SYSTEM, _texts(text), {}))
        elif role == "assistant":
            parts = [*_texts(text), *map(_call, _list(message.get("tool_calls")))]
            if parts:
                self.messages.append(finished(Role.ASSISTANT, parts, {}))
        elif role == "tool":
            self._answer(message.get("tool_call_id"), text)
        else:
            raise InvalidContent("a message needs the role system, developer, user, assistant or tool")

    def _answer(self, call_id: Any, text: str) -> None:
        """Put a tool's result where it belongs with us: behind its call, in the same message."""
        last = self.messages[-1] if self.messages else Message()
        names = {part["id"]: part["name"] for part in last.parts if part["type"] == "tool_call"}
        if not isinstance(call_id, str) or call_id not in names:
            raise InvalidContent("a tool message must follow the assistant's message that has its tool_call_id")
        result = {"id": call_id, "name": names[call_id], "result": text, "is_error": False}
        last.parts.append({"type": "tool_result", **result})
        last.length += 1


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise InvalidContent("a tool call must be a function")
    call_id, name, raw = call.get("id"), function.get("name"), function.get("arguments")
    if not (isinstance(call_id, str) and isinstance(name, str) and isinstance(raw, str)):
        raise InvalidContent("a tool call needs an id, a name and arguments")
    arguments = parsed(raw)
    kept = clean_json(arguments) if is_shallow(arguments) else None
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": kept, "raw": raw}


def _text(content: Any) -> str:
    """Return the text of a content: a str, nothing, or a list of text parts."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [None]
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidContent("a message may have text only")
    return "".join(map(str, texts))


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise InvalidContent("tool_calls must be a list")
    return value or []


def _texts(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text else []
