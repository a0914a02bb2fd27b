"""The wire format "generateContent", outgoing: a prompt in, the JSON body of a request out. No I/O.

Source: https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/thought-signatures
(read 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.base import Codec
from converse_stream.providers.codecs.parts import data_of, merged
from converse_stream.providers.codecs.trail import blobs, unrolled
from converse_stream.providers.options import COMMON, SAMPLING
from converse_stream.providers.reasoning import effort_apart

Part = dict[str, Any]

_NAMES = {
    "temperature": "temperature",
    "top_p": "topP",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "max_tokens": "maxOutputTokens",
}
"""The options that only have another name here, all of them in `generationConfig`."""
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_FOREIGN = "skip_thought_signature_validator"
"""What Google's documentation tells to send for a call that another model has made."""
_WITHOUT_SIGNATURES = re.compile("(models/)?gemini-[12]")


class GenerateContentRequest(Codec):
    """How generateContent asks: only for what the caller set."""

    options = SAMPLING | COMMON

    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return the path, in which the model is named."""
        model = quote(prompt.model.removeprefix("models/"), safe="")
        return f"/models/{model}:streamGenerateContent?alt=sse" if stream else f"/models/{model}:generateContent"

    def body(self, prompt: Prompt, *, stream: bool) -> dict[str, Any]:
        """Return the body; see Codec.body."""
        request = _spoken(prompt.messages, is_signed=not _WITHOUT_SIGNATURES.match(prompt.model))
        for name, value in prompt.options.items():
            request = merged(request, _option(name, value))
        return merged(request, prompt.options.get("extra") or {})


def _option(name: str, value: Any) -> dict[str, Any]:
    """Return what one option becomes in the body."""
    match name:
        case "stop":
            return {"generationConfig": {"stopSequences": [value] if isinstance(value, str) else list(value)}}
        case "tools":
            return {"tools": _tools(value)}
        case "tool_choice":
            return {"toolConfig": {"functionCallingConfig": _tool_choice(value)}}
        case "schema":
            schema = value["schema"] if isinstance(value.get("schema"), Mapping) else value
            return {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}}
        case "reasoning":
            return {"generationConfig": {"thinkingConfig": _reasoning(value)}}
        case "extra":
            return {}
    return {"generationConfig": {_NAMES[name]: value}}


def _reasoning(wanted: bool | str | Mapping[str, Any]) -> dict[str, Any]:
    """Return how a model is asked to think: as much as it likes, at a level, as little as it can, or as told."""
    if isinstance(wanted, Mapping):
        effort, further = effort_apart(wanted)
        return ({} if effort is None else _reasoning(effort)) | further
    if wanted in (False, "none"):
        return {"thinkingLevel": "minimal"}
    return {"includeThoughts": True, **({"thinkingLevel": wanted} if isinstance(wanted, str) else {})}


def _tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tools; one in this format already, such as `{"googleSearch": {}}`, stays as it is."""
    functions = [tool["function"] if isinstance(tool.get("function"), Mapping) else tool for tool in tools]
    declared = [_declaration(tool) for tool in functions if "name" in tool]
    others = [dict(tool) for tool in functions if "name" not in tool]
    return [*([{"functionDeclarations": declared}] if declared else []), *others]


def _declaration(tool: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in tool.items() if key not in ("parameters", "strict")}
    return {**rest, **({"parametersJsonSchema": tool["parameters"]} if tool.get("parameters") else {})}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"mode": _MODES[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice["name"]]}


# Messages


def _spoken(prompt: Sequence[PromptMessage], *, is_signed: bool) -> dict[str, Any]:
    """Return the system prompt and the messages. Raise BadRequest if there are none, or for what cannot be sent."""
    system = [{"text": message.text} for message in prompt if message.role == "system" and message.text]
    ids = {part["id"]: _sent_id(part) for message in prompt for part in message.parts if part["type"] == "tool_call"}
    contents: list[dict[str, Any]] = []
    for message in prompt:
        for role, parts in _turns(message, ids):
            _join(contents, role, _signed(parts) if is_signed and role == "model" else parts)
    if not contents:
        raise BadRequest("the prompt has no messages")
    return {**({"systemInstruction": {"parts": system}} if system else {}), "contents": contents}


def _join(contents: list[dict[str, Any]], role: str, parts: list[Part]) -> None:
    """Add parts to the contents: to the last one if it is of the same kind."""
    if not parts:
        return
    last: dict[str, Any] = contents[-1] if contents else {"role": "", "parts": []}
    # As many results as there were calls have to follow them, and nothing else beside these.
    if last["role"] == role and _are_results(last["parts"]) == _are_results(parts):
        last["parts"] += parts
    else:
        contents.append({"role": role, "parts": parts})


def _are_results(parts: list[Part]) -> bool:
    return all("functionResponse" in part for part in parts)


def _turns(message: PromptMessage, ids: Mapping[str, str]) -> Iterator[tuple[str, list[Part]]]:
    """Yield a message as the turns that it was: an answer of ours holds all its tool steps."""
    if message.role == "user":
        yield "user", [sent for part in message.parts for sent in _asked(part)]
    elif message.role != "system":
        said: list[Part] = []
        for part in message.parts:
            if part["type"] == "tool_result":
                yield "model", said
                yield "user", [_result(part, ids)]
                said = []
            else:
                said += _said(part)
        yield "model", said


def _asked(part: Mapping[str, Any]) -> Iterator[Part]:
    if part["type"] == "text" and part["text"]:
        yield {"text": part["text"]}
    elif part["type"] == "file" and part.get("url"):
        yield {"fileData": {"mimeType": part["media_type"], "fileUri": part["url"]}}
    elif part["type"] == "file":
        yield {"inlineData": {"mimeType": part["media_type"], "data": data_of(part)}}


def _said(part: Mapping[str, Any]) -> Iterator[Part]:
    match part["type"]:
        case "text":
            for piece in unrolled(part):
                yield {"text": piece} if isinstance(piece, str) else piece
        case "reasoning":
            yield from blobs(part)  # thoughts without a signature are only for people
        case "tool_call":
            yield from blobs(part) or [{"functionCall": _call(part)}]
        case "file":
            raise BadRequest("this provider takes files in a user's messages only")


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    # Arguments that were no object have no form here; an error result has told the model.
    arguments = part.get("arguments")
    return {"id": part["id"], "name": part["name"], "args": arguments if isinstance(arguments, Mapping) else {}}


def _signed(parts: list[Part]) -> list[Part]:
    """Return what was said in one step; newer models refuse one with calls of which none has a signature."""
    first = next((number for number, part in enumerate(parts) if "functionCall" in part), None)
    if first is None or any("functionCall" in part and "thoughtSignature" in part for part in parts):
        return parts
    return [*parts[:first], {**parts[first], "thoughtSignature": _FOREIGN}, *parts[first + 1 :]]


def _sent_id(part: Mapping[str, Any]) -> str:
    """Return the id that a call is sent with: its own, but none if it came without one."""
    own = blobs(part)
    sent = own[0].get("functionCall") if own else part
    return str((sent or {}).get("id") or "")


def _result(part: Mapping[str, Any], ids: Mapping[str, str]) -> Part:
    result, id = part["result"], ids.get(part["id"], part["id"])
    response = result if isinstance(result, Mapping) else {"result": result}
    sent = {"name": part["name"], "response": {"error": result} if part.get("is_error") else response}
    return {"functionResponse": {**({"id": id} if id else {}), **sent}}
