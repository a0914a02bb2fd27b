"""What a provider says when it refuses: an HTTP status, headers and a body in, one of our errors out."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from converse_stream import exceptions
from converse_stream.cleaning import clean_text
from converse_stream.providers import waits

REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id")
_MAX_MESSAGE = 500
_MAX_READ = 4000
"""How much of a message is searched for what it means: an error within a stream can be megabytes."""
_MAX_SNIPPET = 200
_MAX_WORD = 100
_MAX_DETAILS = 20

_BY_STATUS: Mapping[int, type[exceptions.ProviderError]] = {
    401: exceptions.AuthenticationFailed,
    402: exceptions.QuotaExceeded,
    403: exceptions.PermissionDenied,
    404: exceptions.ModelNotFound,
    408: exceptions.ProviderTimeout,
    409: exceptions.ServerError,  # a conflict within the provider: OpenAI's and Anthropic's own clients try again
    429: exceptions.RateLimited,
    498: exceptions.Overloaded,
    499: exceptions.ServerError,
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
    "API_KEY_INVALID": exceptions.AuthenticationFailed,
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
    "request_too_large": exceptions.BadRequest,
    "billing_error": exceptions.QuotaExceeded,
    "INVALID_ARGUMENT": exceptions.BadRequest,
    "FAILED_PRECONDITION": exceptions.BadRequest,
    "UNAUTHENTICATED": exceptions.AuthenticationFailed,
    "PERMISSION_DENIED": exceptions.PermissionDenied,
    "NOT_FOUND": exceptions.ModelNotFound,
    "RESOURCE_EXHAUSTED": exceptions.RateLimited,
    "UNAVAILABLE": exceptions.Overloaded,
    "DEADLINE_EXCEEDED": exceptions.ProviderTimeout,
}
_ABOUT_A_FILE = re.compile("(invalid|unsupported|empty|failed_to_download)_.*(image|file)|image_")
"""Codes that complain of what was sent along: there are a dozen of them."""
_TOO_LONG = "context (length|window|limit)|prompt (is )?too long|token count.{0,40} exceeds the maximum"
_BY_MESSAGE: tuple[tuple[re.Pattern[str], type[exceptions.ProviderError]], ...] = (
    (re.compile(_TOO_LONG, re.IGNORECASE), exceptions.ContextTooLong),
    (re.compile("incorrect api key|api key not valid", re.IGNORECASE), exceptions.AuthenticationFailed),
    (
        re.compile("violates usage guidelines|flagged as potentially violating|input was flagged", re.IGNORECASE),
        exceptions.ContentFiltered,
    ),
    (re.compile("spend(ing)? limit|API usage limits|credit balance is too low", re.I), exceptions.QuotaExceeded),
)
_SHOULD_RETRY = {"true": True, "false": False}
_MESSAGE_DECIDES = frozenset({400, 403, 413, 422, 429, None})


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
    """Return whether a decoded event or body is one of the known error shapes, or a list that begins with one."""
    payload = payload[0] if isinstance(payload, list) and payload else payload
    return isinstance(payload, Mapping) and bool(payload.get("error") or payload.get("object") == "error")


def _build(
    complaint: _Complaint, kind_status: int | None, headers: Mapping[str, str], status: int, prefix: str = ""
) -> exceptions.ProviderError:
    wait = waits.in_headers(headers)
    word = f" ({complaint.words[0]})" if complaint.words else ""
    error = _class_of(complaint, kind_status)(
        clean_text(f"{prefix}{complaint.message[:_MAX_MESSAGE]}{word}"),
        status=status,
        retry_after=complaint.retry_after if wait is None else wait,
        request_id=request_id(headers),
    )
    # What OpenAI and Anthropic tell their own clients: it knows more than the status.
    error.retryable = _SHOULD_RETRY.get(headers.get("x-should-retry", ""), error.retryable)
    return error


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
        return " ".join(re.sub("<[^<>]*>", " ", text).split())


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
    details = _first(facts.get("details"))
    codes = (facts.get("code"), facts.get("type"), facts.get("status"), *_reasons(details))
    sentence = ": ".join(filter(None, (str(message or "no reason given")[:_MAX_READ], _raw(upstream.get("raw")))))
    delays = (waits.in_details(details), waits.until_reset(upstream.get("headers")), waits.in_words(sentence))
    return _Complaint(
        message=sentence,
        words=tuple(code[:_MAX_WORD] for code in codes if isinstance(code, str) and code),
        status=_http_status(facts.get("status_code")) or _http_status(facts.get("code")),
        retry_after=next((delay for delay in delays if delay is not None), None),
    )


def _raw(raw: object) -> str:
    # OpenRouter's own message is only "Provider returned error"; the reason is what that provider said.
    return raw[:_MAX_SNIPPET] if isinstance(raw, str) else ""


def _first(details: object) -> list[object]:
    return details[:_MAX_DETAILS] if isinstance(details, list) else []


def _reasons(details: list[object]) -> Iterator[object]:
    # Google's way: a key that is not valid is no more than an INVALID_ARGUMENT otherwise.
    for detail in details:
        if isinstance(detail, Mapping):
            yield detail.get("reason")


def _detail(detail: object) -> str:
    if isinstance(detail, list):
        said = (item.get("msg", "") if isinstance(item, Mapping) else item for item in _first(detail))
        return "; ".join(str(item) for item in said)
    return str(detail or "")


def _http_status(value: object) -> int | None:
    return value if isinstance(value, int) and 400 <= value < 600 else None
