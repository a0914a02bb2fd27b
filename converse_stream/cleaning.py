"""What can be stored: text and JSON made safe once, on the way in, the same for every database.

NUL and lone surrogates become U+FFFD, a surrogate pair in two halves becomes its character, NaN and
infinities become null. Everything else is kept exactly.
"""

import math
import re
from typing import Any

REPLACEMENT = "\ufffd"
LONGEST_PROVIDER = 64
LONGEST_MODEL = 200
"""Characters of the names of a provider and of a model that the record has room for."""
_DIRTY = re.compile("[\x00\ud800-\udfff]")
_HIGH_AT_END = re.compile("[\ud800-\udbff]\\Z")


def clean_text(text: str) -> str:
    """Return `text` as it will be stored and read back."""
    if text.isascii() and "\x00" not in text:
        return text
    if not _DIRTY.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\x00", REPLACEMENT)


def clean_name(name: object, what: str, longest: int) -> str:
    """Return a name as it will be stored. Raise TypeError for what is no text, ValueError for what is too long."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be str, not {type(name).__name__}")
    if len(name) > longest:
        raise ValueError(f"{what} has {len(name)} characters; {longest} can be stored")
    return clean_text(name)


def split_half(text: str) -> tuple[str, str]:
    """Split off the first half of a surrogate pair at the end of `text`: its other half may be on the way."""
    if _HIGH_AT_END.search(text):
        return text[:-1], text[-1]
    return text, ""


def clean_json(value: Any) -> Any:
    """Return `value` as JSON can hold it. Raise TypeError for what is no JSON value."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not a JSON value")
