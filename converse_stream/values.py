"""What each setting may be, for whoever reads it and for the system checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

Rule: TypeAlias = tuple[Callable[[object], bool], str]
"""Whether a value is right, and what it must be, in words."""

DAY = 86_400
DECADE = 315_360_000
LONGEST_TEXT = 64_000_000
"""Characters: a text in PostgreSQL's jsonb, where parts are kept, has 256 MiB at most, and a character four bytes."""


def is_number(value: object, least: float, most: float) -> bool:
    """Tell whether a value is a number within these bounds: neither a bool, nor what is no finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _seconds(most: int) -> Rule:
    what = f"a number of seconds above 0 and at most {most:_}"
    return lambda value: is_number(value, 0, most) and value != 0, what


def _retention(value: object) -> bool:
    return is_number(value, 0, DECADE)


def _whole(least: int, most: int, unit: str = "") -> Rule:
    what = f"a whole number{unit} from {least} to {most:_}"
    return lambda value: isinstance(value, int) and is_number(value, least, most), what


def _limit(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _names(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value)


def _origins(value: object) -> bool:
    # No "*": these origins may use the visitor's session.
    origin = r"https?://[A-Za-z0-9.-]+(:[0-9]+)?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]+)?"
    return isinstance(value, list | tuple) and all(isinstance(one, str) and re.fullmatch(origin, one) for one in value)


def _by_name(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) and name for name in value)


def _paths(value: object) -> bool:
    return isinstance(value, Mapping) and _by_name(value) and _names([*value.values()])


def _days(value: object) -> bool:
    return value is None or is_number(value, 0, 36_500)


def _queue(value: object) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable())


def _group(value: object) -> bool:
    # What Channels takes as the beginning of a group name, with room for a uuid behind it.
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,50}", value) is not None


RULES: Mapping[str, Rule] = {
    "DEFAULT_OPTIONS": (_by_name, "a dict of options by name"),
    "PROVIDERS": (_by_name, "a dict of providers by name"),
    "DIALECTS": (_paths, "a dict of dotted paths by name"),
    "RETRIES": _whole(0, 100),
    "TOOLS": (_paths, "a dict of dotted paths by name"),
    "MAX_STEPS": _whole(1, 1000),
    "TOOL_TIMEOUT": _seconds(DAY),
    "MAX_TOOL_RESULT_CHARS": _whole(100, LONGEST_TEXT),
    "QUEUE": (_queue, "None or the name of a queue"),
    "FLUSH_INTERVAL": _seconds(60),
    "POLL_INTERVAL": _seconds(DAY),
    "LEASE": _seconds(DAY),
    "DRAIN_SECONDS": (lambda value: is_number(value, 0, DAY), f"a number of seconds from 0 to {DAY:_}"),
    "SSE_RETRY": _whole(1, 1000 * DAY, " of milliseconds"),
    "SSE_HEARTBEAT": _seconds(DAY),
    "SSE_MAX_SECONDS": _seconds(DECADE),
    "MAX_PROMPT_CHARS": _whole(1, LONGEST_TEXT),
    "MAX_OUTPUT_CHARS": _whole(1, LONGEST_TEXT),
    "MAX_LIVE_ANSWERS": (_limit, "None or a positive whole number"),
    "MAX_LIVE_ANSWERS_PER_USER": (_limit, "None or a positive whole number"),
    "MAX_VIEWERS_PER_USER": (_limit, "None or a positive whole number"),
    "WHEN_BUSY": (lambda value: value in ("refuse", "interrupt"), "'refuse' or 'interrupt'"),
    "CLIENT_MODELS": (lambda value: value is None or _names(value), "None or a list of names"),
    "CLIENT_OPTIONS": (_names, "a list of names"),
    "ALLOWED_ORIGINS": (_origins, "a list of origins, such as 'https://chat.example.com', and never '*'"),
    "TICKET_SECONDS": _seconds(DECADE),
    "CHUNK_RETENTION": (_retention, f"a number of seconds from 0 to {DECADE:_}"),
    "DELETED_RETENTION_DAYS": (_days, "None or a number of days from 0 to 36500"),
    "PUBLIC_METADATA": (_names, "a list of names"),
    "TITLE_MODEL": (lambda value: value is None or (isinstance(value, str) and value != ""), "None or a model's name"),
    "CACHE": (lambda value: value is None or isinstance(value, str), "None or an alias in CACHES"),
    "GROUP_PREFIX": (_group, "at most 50 ASCII letters, digits, dots, hyphens and underscores"),
}
"""By setting. Of one that is not here, more must be known than its value: whoever uses it finds out."""


def wrong(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each value that nothing can run with."""
    for key, (is_right, expected) in RULES.items():
        if key in given and not is_right(given[key]):
            yield f"CONVERSE_STREAM[{key!r}] must be {expected}."
