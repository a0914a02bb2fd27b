"""How long a provider asks to wait, in seconds: None where it does not say."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_TRY_AGAIN = re.compile(r"try again in (?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:([\d.]{1,20})(m?)s)?", re.IGNORECASE)
_EARLIEST_IN_MILLISECONDS = 1e12
"""A reset that is larger is a moment (2001 or later) in milliseconds; others count seconds, or in other ways."""


def in_headers(headers: Mapping[str, str]) -> float | None:
    """Return what headers with lower-case names say."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    return (_until(value) if "," in value else _seconds(value)) if value else until_reset(headers)


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
    found = _TRY_AGAIN.search(message)
    if not found or not any(found.groups()):
        return None
    hours, minutes, number, milli = found.groups()
    seconds = _seconds(number or "0")
    if seconds is None:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + (seconds / 1000 if milli else seconds)


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
