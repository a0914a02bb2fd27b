"""The wire format "Responses", outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://platform.openai.com/docs/api-reference/responses/create (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from mimetypes import guess_extension
from typing import Any

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.base import Codec
from converse_stream.providers.codecs.parts import address, arguments_json, merged, result_text

Item = dict[str, Any]

_NO_FILES = ("audio/", "video/")


class ResponsesRequest(Codec):
    """How Responses asks: only for what the caller set. Where a server differs, a subclass says how."""

    options = frozenset({"temperature", "top_p", "max_tokens", "tools", "tool_choice", "schema", "reasoning", "extra"})

    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return the one path there is."""
        return "/responses"

    def body(self, prompt: Prompt, *, stream: bool) -> dict[str, Any]:
        """Return the body; see Codec.body."""
        request = {"model": prompt.model, **self.spoken(prompt.messages), "stream": stream}
        request |= self.unstored(prompt.model)
        for name, value in prompt.options.items():
            request |= self.option(name, value)
        return merged(request, prompt.options.get("extra") or {})

    # What servers differ in

    def unstored(self, model: str) -> dict[str, Any]:
        """Return what has the server store nothing, and hand out the model's reasoning, encrypted, instead."""
        return {"store": False, "include": ["reasoning.encrypted_content"]}

    def option(self, name: str, value: Any) -> dict[str, Any]:
        """Return what one option becomes in the body."""
        match name:
            case "max_tokens":
                return {"max_output_tokens": value}
            case "tools":
                return {"tools": [_tool(tool) for tool in value]}
            case "tool_choice":
                return {"tool_choice": value if isinstance(value, str) else {"type": "function", "name": value["name"]}}
            case "schema":
                named = value if "schema" in value else {"name": value.get("title", "answer"), "schema": value}
                return {"text": {"format": {"type": "json_schema", "strict": True, **named}}}
            case "reasoning":
                return {"reasoning": self.reasoning(value)}
            case "extra":
                return {}
        return {name: value}

    def reasoning(self, wanted: bool | str | Mapping[str, Any]) -> dict[str, Any]:
        """Return how a model is asked to think: an effort, whether to show it, or a mapping that is sent as it is."""
        if isinstance(wanted, Mapping):
            return dict(wanted)
        if isinstance(wanted, str):
            return {"effort": wanted}
        return {"summary": "auto"} if wanted else {"effort": "none"}

    def file(self, part: Mapping[str, Any]) -> Item:
        """Return a file as a part of a user's message. Raise BadRequest for one that the server takes not."""
        media_type = part["media_type"]
        if media_type.startswith("image/"):
            return {"type": "input_image", "image_url": address(part)}
        if media_type.startswith(_NO_FILES):
            raise BadRequest(f"this provider takes no files of the type {media_type}")
        if part.get("url"):
            return {"type": "input_file", "file_url": part["url"]}
        name = part.get("name") or f"file{guess_extension(media_type) or ''}"
        return {"type": "input_file", "filename": name, "file_data": address(part)}

    # What they have in common

    def spoken(self, messages: Sequence[PromptMessage]) -> dict[str, Any]:
        """Return a prompt's messages. Raise BadRequest if there are none, or for a part that cannot be sent."""
        if not messages:
            raise BadRequest("the prompt has no messages")
        leading = list(takewhile(lambda message: message.role == "system", messages))
        rest = messages[len(leading) :]
        if not leading or not rest:  # a request must have some input
            return {"input": self._items(messages)}
        return {"instructions": "\n\n".join(message.text for message in leading), "input": self._items(rest)}

    def _items(self, messages: Sequence[PromptMessage]) -> list[Item]:
        return [item for message in messages for item in self._message(message)]

    def _message(self, message: PromptMessage) -> Iterator[Item]:
        if message.role in ("assistant", "tool"):
            yield from _answer(message.parts)
        else:
            yield {"role": message.role, "content": self._content(message)}

    def _content(self, message: PromptMessage) -> str | list[Item]:
        if all(part["type"] != "file" for part in message.parts):
            return message.text
        if message.role != "user":
            raise BadRequest("this provider takes files in a user's messages only")
        return [
            self.file(part) if part["type"] == "file" else {"type": "input_text", "text": part["text"]}
            for part in message.parts
            if part["type"] == "file" or (part["type"] == "text" and part["text"])
        ]


def _answer(parts: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """Yield an answer of ours, or the results of tools, as the items that they were."""
    reasoning: list[Item] = []
    for part in parts:
        if part["type"] == "reasoning":
            reasoning += _thoughts(part)
        elif part["type"] == "tool_result":
            reasoning.clear()  # nothing followed it, and then it is refused
            yield {"type": "function_call_output", "call_id": part["id"], "output": result_text(part)}
        elif part["type"] == "tool_call" or (part["type"] == "text" and part["text"]):
            yield from reasoning
            reasoning.clear()
            yield _call(part) if part["type"] == "tool_call" else _said(part)
        elif part["type"] == "file":
            raise BadRequest("this provider takes files in a user's messages only")


def _thoughts(part: Mapping[str, Any]) -> Iterator[Item]:
    # The same model may have been asked in another format before, whose state is none of ours.
    for state in part.get("state") or ():
        if isinstance(state, Mapping) and state.get("type") == "reasoning":
            yield dict(state)


def _said(part: Mapping[str, Any]) -> Item:
    phases = [state.get("phase") for state in part.get("state") or () if isinstance(state, Mapping)]
    phase = {"phase": phases[-1]} if phases and phases[-1] else {}
    return {"role": "assistant", "content": part["text"], **phase}


def _call(part: Mapping[str, Any]) -> Item:
    call = {"type": "function_call", "call_id": part["id"], "name": part["name"]}
    return {**call, "arguments": arguments_json(part)}


def _tool(tool: Mapping[str, Any]) -> Item:
    """Return a tool; one in this format already stays as it is, one in that of Chat Completions loses its envelope."""
    if isinstance(tool.get("function"), Mapping):
        tool = tool["function"]
    elif "type" in tool:
        return dict(tool)
    # Unlike Chat Completions this format is strict unless told otherwise, and makes optional parameters required.
    return {"type": "function", "strict": False, "parameters": {"type": "object", "properties": {}}, **tool}
