"""How long a provider asks to wait, in seconds: None where it does not say."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:([\d.]{1,20})(m?)s)?", re.IGNORECASE)
_TRY_AGAIN = re.compile(rf"try again in {_DURATION.pattern}", re.IGNORECASE)
_RESET = re.compile(r"x-ratelimit-reset-(.+)|anthropic-ratelimit-.+-reset")
_EARLIEST_IN_MILLISECONDS = 1e12
"""A reset that is larger is a moment (2001 or later) in milliseconds; others count seconds, or in other ways."""


def in_headers(headers: Mapping[str, str]) -> float | None:
    """Return what headers with lower-case names say."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if value:
        return _until(value) if "," in value else _seconds(value)
    moment = until_reset(headers)
    return _until_room(headers) if moment is None else moment


def until_reset(headers: object) -> float | None:
    """Return the time until the moment at which a limit is reset, where that is in milliseconds."""
    # OpenRouter's way, in the headers or in the body.
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        moment = _seconds(str(value)) if str(name).lower() == "x-ratelimit-reset" else None
        if moment is not None and moment >= _EARLIEST_IN_MILLISECONDS:
            return max(0.0, moment / 1000 - datetime.now(UTC).timestamp())
    return None


def in_details(details: object) -> float | None:
    """Return what the details of an error say."""
    # Google's RetryInfo: it sends no Retry-After header.
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str):
            return _seconds(delay.removesuffix("s"))
    return None


def in_words(message: str) -> float | None:
    """Return what an error's message says."""
    # OpenAI's way within an event stream, which has no headers of its own.
    return _length(_TRY_AGAIN.search(message))


def _until_room(headers: Mapping[str, str]) -> float | None:
    """Return the time until every limit of which nothing remains is reset."""
    # OpenAI and Groq: x-ratelimit-reset-tokens: 1m12.5s; Anthropic: anthropic-ratelimit-tokens-reset: a moment.
    waits = []
    for name, value in headers.items():
        if found := _RESET.fullmatch(name):
            remaining = headers.get(name.replace("reset", "remaining"), "")
            wait = _length(_DURATION.fullmatch(value)) if found[1] else _until(value)
            if remaining == "0" and wait is not None:
                waits.append(wait)
    return max(waits, default=None)


def _length(duration: re.Match[str] | None) -> float | None:
    if duration is None or not any(duration.groups()):
        return None
    hours, minutes, number, milli = duration.groups()
    seconds = _seconds(number or "0")
    if seconds is None:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + (seconds / 1000 if milli else seconds)


def _until(date: str) -> float | None:
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError):
            moment = parse(date)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def _seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
