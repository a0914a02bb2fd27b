"""What may be said: text and metadata of callers, looked at before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converse_stream.cleaning import clean_json, clean_text
from converse_stream.conf import settings
from converse_stream.exceptions import ContentTooLong, InvalidContent, ReservedMetadata
from converse_stream.models.figures import MARKS, RESERVED


def check_content(content: object) -> str:
    """Return `content` as it will be stored. Raise InvalidContent or ContentTooLong."""
    if not isinstance(content, str):
        raise InvalidContent(f"content must be str, not {type(content).__name__}")
    if not content.strip():
        raise InvalidContent("content is empty")
    limit = settings.MAX_PROMPT_CHARS
    if len(content) > limit:
        raise ContentTooLong(f"content has {len(content)} characters; MAX_PROMPT_CHARS is {limit}")
    return clean_text(content)


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return caller metadata as it will be stored. Raise ReservedMetadata."""
    reserved = (RESERVED | MARKS).intersection(metadata or ())
    if reserved:
        raise ReservedMetadata(f"metadata keys written by converse_stream itself: {', '.join(sorted(reserved))}")
    cleaned: dict[str, Any] = clean_json(dict(metadata or {}))
    return cleaned
