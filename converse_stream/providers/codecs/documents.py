"""Files in the form that Messages has for them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from converse_stream.exceptions import BadRequest
from converse_stream.providers.codecs.parts import data_of

_TEXTS = frozenset({"application/json", "application/xml", "application/yaml"})


def content_block(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file as a content block. Raise BadRequest for one that Messages does not take."""
    media_type = part["media_type"]
    if media_type.startswith("image/"):
        return {"type": "image", "source": _source(part)}
    title = {"title": part["name"]} if part.get("name") else {}
    if media_type == "application/pdf":
        return {"type": "document", "source": _source(part), **title}
    if (media_type.startswith("text/") or media_type in _TEXTS) and not part.get("url"):
        return {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": _read(part)},
            **title,
        }
    raise BadRequest(f"this provider takes no {media_type} as a file, only images, PDF, and texts that are not by URL")


def _source(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("url"):
        return {"type": "url", "url": part["url"]}
    return {"type": "base64", "media_type": part["media_type"], "data": data_of(part)}


def _read(part: Mapping[str, Any]) -> str:
    try:
        return base64.b64decode(data_of(part), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadRequest(f"the file {part.get('name') or part['media_type']!r} is no text in UTF-8") from error
