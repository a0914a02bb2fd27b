"""Parts of a prompt in the forms that several wire formats share."""

from collections.abc import Mapping
from typing import Any

from converse_stream.events import dumps
from converse_stream.exceptions import BadRequest


def result_text(part: Mapping[str, Any]) -> str:
    """Return what a tool answered as text, for formats that have no word for an error."""
    result = part["result"]
    text = result if isinstance(result, str) else dumps(result)
    return f"Error: {text}" if part.get("is_error") else text


def arguments_json(part: Mapping[str, Any]) -> str:
    """Return a call's arguments as the model wrote them, if that was JSON; else an empty object.

    What was no JSON would be refused, and an error result has told the model.
    """
    arguments = part.get("arguments")
    return "{}" if arguments is None else part.get("raw") or dumps(arguments)


def address(part: Mapping[str, Any]) -> str:
    """Return where a file's bytes are: its URL, or a `data:` one that holds them."""
    return part.get("url") or f"data:{part['media_type']};base64,{data_of(part)}"


def data_of(part: Mapping[str, Any]) -> str:
    """Return a file's bytes in base64. Raise BadRequest for a file without them."""
    data = part.get("data")
    if not isinstance(data, str):
        raise BadRequest(f"a file of the type {part['media_type']} has neither a url nor data in base64")
    return data


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with what the caller adds to it; mappings of one name are joined, the caller's values win."""
    joined = {
        name: {**body[name], **value}
        for name, value in extra.items()
        if isinstance(value, Mapping) and isinstance(body.get(name), Mapping)
    }
    return {**body, **extra, **joined}
