"""What a provider says when it refuses: an HTTP status, headers and a body in, one of our errors out."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from converse_stream import exceptions
from converse_stream.cleaning import clean_text

REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id")
_MAX_MESSAGE = 500
_MAX_SNIPPET = 200

_BY_STATUS: Mapping[int, type[exceptions.ProviderError]] = {
    401: exceptions.AuthenticationFailed,
    402: exceptions.QuotaExceeded,
    403: exceptions.PermissionDenied,
    404: exceptions.ModelNotFound,
    408: exceptions.ProviderTimeout,
    429: exceptions.RateLimited,
    498: exceptions.Overloaded,
    503: exceptions.Overloaded,
    504: exceptions.ProviderTimeout,
    529: exceptions.Overloaded,
}
# These words say more than the status they come with: no retry helps an empty account, though it is a 429.
_DECISIVE: Mapping[str, type[exceptions.ProviderError]] = {
    "insufficient_quota": exceptions.QuotaExceeded,
    "billing_hard_limit_reached": exceptions.QuotaExceeded,
    "billing_not_active": exceptions.QuotaExceeded,
    "context_length_exceeded": exceptions.ContextTooLong,
    "content_filter": exceptions.ContentFiltered,
    "content_policy_violation": exceptions.ContentFiltered,
    "image_content_policy_violation": exceptions.ContentFiltered,
    "invalid_api_key": exceptions.AuthenticationFailed,
    "model_not_found": exceptions.ModelNotFound,
}
# These are asked only when there is no status: DeepSeek answers 401 with the code invalid_request_error.
_BY_WORD: Mapping[str, type[exceptions.ProviderError]] = {
    "authentication_error": exceptions.AuthenticationFailed,
    "permission_error": exceptions.PermissionDenied,
    "not_found_error": exceptions.ModelNotFound,
    "rate_limit_error": exceptions.RateLimited,
    "rate_limit_exceeded": exceptions.RateLimited,
    "overloaded_error": exceptions.Overloaded,
    "capacity_exceeded": exceptions.Overloaded,
    "server_is_overloaded": exceptions.Overloaded,
    "slow_down": exceptions.Overloaded,
    "timeout_error": exceptions.ProviderTimeout,
    "invalid_request_error": exceptions.BadRequest,
    "invalid_prompt": exceptions.BadRequest,
}
_ABOUT_A_FILE = re.compile("(invalid|unsupported|empty|failed_to_download)_.*(image|file)|image_")
"""Codes that complain of what was sent along: there are a dozen of them."""
_TRY_AGAIN = re.compile(r"try again in (?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:([\d.]{1,20})(m?)s)?", re.IGNORECASE)
_BY_MESSAGE: tuple[tuple[re.Pattern[str], type[exceptions.ProviderError]], ...] = (
    (re.compile("context (length|window)|prompt (is )?too long", re.IGNORECASE), exceptions.ContextTooLong),
    (re.compile("incorrect api key|api key not valid", re.IGNORECASE), exceptions.AuthenticationFailed),
    (re.compile("violates usage guidelines|input was flagged", re.IGNORECASE), exceptions.ContentFiltered),
    (re.compile("spend(ing)? limit|API usage limits|credit balance is too low", re.I), exceptions.QuotaExceeded),
)
_MESSAGE_DECIDES = frozenset({400, 403, 413, 422, 429, None})
_EARLIEST_IN_MILLISECONDS = 1e12
"""A reset that is larger is a moment (2001 or later) in milliseconds; others count seconds, or in other ways."""


@dataclass(frozen=True, slots=True)
class _Complaint:
    """What any of the known error bodies says."""

    message: str
    words: tuple[str, ...] = ()
    """The codes and types in it, most specific first."""
    status: int | None = None
    """A status inside the body: an error within an event stream has no other."""
    retry_after: float | None = None


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> exceptions.ProviderError:
    """Return the error of an HTTP response that is no answer. `headers` has lower-case names."""
    payload = _parsed(body)
    if status < 300 and not is_error(payload):
        kind = headers.get("content-type") or "nothing"
        return exceptions.ProtocolError(f"expected an event stream, got {kind}", status=status)
    if 300 <= status < 400:
        return exceptions.ProtocolError(f"HTTP {status}: redirects are not followed", status=status)
    complaint = _complaint(payload)
    inner = complaint.status if status < 300 else status
    return _build(complaint, inner, headers, status, prefix=f"HTTP {status}: ")


def from_event(payload: object, *, status: int = 200) -> exceptions.ProviderError:
    """Return the error that a provider sent as an event, after its response had begun with `status`."""
    complaint = _complaint(payload)
    return _build(complaint, complaint.status, {}, status)


def request_id(headers: Mapping[str, str]) -> str:
    """Return the id by which a provider's support knows a request; empty if it gives none."""
    return next((headers[name] for name in REQUEST_ID_HEADERS if headers.get(name)), "")


def is_error(payload: object) -> bool:
    """Return whether a decoded event or body is one of the known error shapes."""
    return isinstance(payload, Mapping) and bool(payload.get("error") or payload.get("object") == "error")


def _build(
    complaint: _Complaint, kind_status: int | None, headers: Mapping[str, str], status: int, prefix: str = ""
) -> exceptions.ProviderError:
    wait = _retry_after(headers)
    word = f" ({complaint.words[0]})" if complaint.words else ""
    return _class_of(complaint, kind_status)(
        clean_text(f"{prefix}{complaint.message[:_MAX_MESSAGE]}{word}"),
        status=status,
        retry_after=complaint.retry_after if wait is None else wait,
        request_id=request_id(headers),
    )


def _class_of(complaint: _Complaint, status: int | None) -> type[exceptions.ProviderError]:
    for word in complaint.words:
        if word in _DECISIVE:
            return _DECISIVE[word]
    if status in _MESSAGE_DECIDES:
        for pattern, error in _BY_MESSAGE:
            if pattern.search(complaint.message):
                return error
    if status is not None and status >= 400:
        return _BY_STATUS.get(status, exceptions.BadRequest if status < 500 else exceptions.ServerError)
    if any(_ABOUT_A_FILE.match(word) for word in complaint.words):
        return exceptions.BadRequest
    return next((_BY_WORD[word] for word in complaint.words if word in _BY_WORD), exceptions.ServerError)


def _parsed(body: bytes) -> object:
    """Return the body as JSON, or the text of one that is none (a gateway's HTML page)."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(re.sub("<[^>]*>", " ", text).split())


def _complaint(payload: object) -> _Complaint:
    """Read the shapes in use: an `error` object or text, a `detail`, a flat `message`, a list of one of these."""
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, Mapping):
        return _Complaint(str(payload)[:_MAX_SNIPPET] or "no reason given")
    inner = payload.get("error")
    facts = inner if isinstance(inner, Mapping) else payload
    message = facts.get("message") or (inner if isinstance(inner, str) else None) or _detail(facts.get("detail"))
    metadata = facts.get("metadata")
    upstream = metadata if isinstance(metadata, Mapping) else {}
    codes = (facts.get("code"), facts.get("type"), facts.get("status"))
    sentence = ": ".join(filter(None, (str(message or "no reason given"), _raw(upstream.get("raw")))))
    delays = (_retry_delay(facts.get("details")), _until_reset(upstream.get("headers")), _said_delay(sentence))
    return _Complaint(
        message=sentence,
        words=tuple(code for code in codes if isinstance(code, str) and code),
        status=_http_status(facts.get("status_code")) or _http_status(facts.get("code")),
        retry_after=next((delay for delay in delays if delay is not None), None),
    )


def _raw(raw: object) -> str:
    # OpenRouter's own message is only "Provider returned error"; the reason is what that provider said.
    return raw[:_MAX_SNIPPET] if isinstance(raw, str) else ""


def _detail(detail: object) -> str:
    if isinstance(detail, list):
        return "; ".join(str(item.get("msg", "")) if isinstance(item, Mapping) else str(item) for item in detail)
    return str(detail or "")


def _http_status(value: object) -> int | None:
    return value if isinstance(value, int) and 400 <= value < 600 else None


def _retry_delay(details: object) -> float | None:
    # Google's RetryInfo: it sends no Retry-After header.
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str):
            return _seconds(delay.removesuffix("s"))
    return None


def _said_delay(message: str) -> float | None:
    # OpenAI's way within an event stream, which has no headers of its own.
    found = _TRY_AGAIN.search(message)
    if not found or not any(found.groups()):
        return None
    hours, minutes, number, milli = found.groups()
    seconds = _seconds(number or "0")
    if seconds is None:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + (seconds / 1000 if milli else seconds)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    return (_until(value) if "," in value else _seconds(value)) if value else _until_reset(headers)


def _until_reset(headers: object) -> float | None:
    # OpenRouter's way, in the headers or in the body.
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        moment = _seconds(str(value)) if str(name).lower() == "x-ratelimit-reset" else None
        if moment is not None and moment >= _EARLIEST_IN_MILLISECONDS:
            return max(0.0, moment / 1000 - datetime.now(UTC).timestamp())
    return None


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
