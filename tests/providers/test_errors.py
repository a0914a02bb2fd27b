"""What providers answer instead of an answer, mapped to the one tree of errors."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream import exceptions
from converse_stream.providers import errors
from converse_stream.registry import provider
from tests.recordings import recordings

KINDS = {
    "auth": "auth",
    "context_length": "context_length",
    "content_filter": "content_filter",
    "invalid_request": "bad_request",
    "not_found": "not_found",
    "overloaded": "overloaded",
    "quota": "quota",
    "rate_limit": "rate_limit",
}


def error(status: int, body: object = None, **headers: str) -> exceptions.ProviderError:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return errors.from_response(status, given_headers, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("recording", recordings(streams=False))
def test_a_recorded_refusal_has_its_kind_and_keeps_its_message(recording):
    """Seeds: P-09."""
    expected = recording.expected["error"]
    headers = {name.lower(): value for name, value in recording.sidecar["headers"].items()}

    found = provider(recording.path.parent.name).refusal(recording.sidecar["http_status"], headers, recording.body)

    assert found.code == KINDS[expected["kind"]]
    assert found.status == expected["http_status"]
    assert found.retryable is expected["retryable"]
    assert found.retry_after == expected["retry_after_s"]
    assert (expected["message_contains"] or "") in str(found)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (401, "auth"),
        (402, "quota"),
        (403, "permission"),
        (404, "not_found"),
        (408, "timeout"),
        (409, "server"),
        (413, "bad_request"),
        (422, "bad_request"),
        (429, "rate_limit"),
        (498, "overloaded"),
        (499, "server"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
        (504, "timeout"),
        (529, "overloaded"),
        (599, "server"),
    ],
)
def test_a_status_alone_tells_the_kind(status, code):
    assert error(status, {"error": {"message": "no"}}).code == code
    assert error(status, b"").code == code


@pytest.mark.parametrize(("said", "retryable"), [("true", True), ("false", False), ("perhaps", False), (None, False)])
def test_a_provider_says_itself_whether_to_try_again(said, retryable):
    headers = {} if said is None else {"x-should-retry": said}

    assert errors.from_response(400, headers, b"").retryable is retryable
    assert errors.from_response(429, {"x-should-retry": "false"}, b"").retryable is False


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (429, "insufficient_quota", "quota"),
        (429, "rate_limit_exceeded", "rate_limit"),
        (400, "context_length_exceeded", "context_length"),
        (400, "content_filter", "content_filter"),
        (400, "model_not_found", "not_found"),
        (400, "invalid_api_key", "auth"),
        (401, "invalid_request_error", "auth"),
        (400, "API_KEY_INVALID", "auth"),
        (200, "overloaded_error", "overloaded"),
        (200, "billing_error", "quota"),
        (200, "request_too_large", "bad_request"),
        (200, "UNAVAILABLE", "overloaded"),
        (200, "RESOURCE_EXHAUSTED", "rate_limit"),
        (200, "timeout_error", "timeout"),
        (200, "never_heard_of", "server"),
    ],
)
def test_a_code_that_says_more_than_the_status_decides(status, word, code):
    assert error(status, {"error": {"message": "no", "code": word}}).code == code
    assert error(status, {"error": {"message": "no", "type": word}}).code == code


def test_a_redirect_is_not_followed_but_named():
    found = error(302, b"", location="http://internal/")

    assert isinstance(found, exceptions.ProtocolError)
    assert "redirect" in str(found)


def test_a_proper_body_that_is_no_stream_is_a_protocol_error():
    found = error(200, {"choices": []}, content_type="application/json")

    assert isinstance(found, exceptions.ProtocolError)
    assert "application/json" in str(found)


def test_an_error_with_status_200_is_that_error():
    found = error(200, {"error": {"message": "no credits", "code": 402}})

    assert isinstance(found, exceptions.QuotaExceeded)
    assert found.status == 200


def test_a_page_of_html_is_told_in_a_line_of_text():
    page = b"<html><head><title>502 Bad Gateway</title></head>\n<body>" + b"nginx " * 500 + b"</body></html>"

    assert str(error(502, page)).startswith("HTTP 502: 502 Bad Gateway nginx nginx")
    assert len(str(error(502, page))) < 300


def test_a_long_message_is_cut_and_can_be_stored():
    found = error(400, {"error": {"message": "a\x00\ud800" + "b" * 10_000}})

    assert len(str(found)) < 600
    assert "\x00" not in str(found)
    assert str(found).encode()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("20", 20.0), ("0", 0.0), ("1.5", 1.5), ("", None), ("soon", None), ("-1", None), ("inf", None)],
)
def test_retry_after_in_seconds(value, seconds):
    assert error(429, {}, retry_after=value).retry_after == seconds


def test_retry_after_in_milliseconds_is_finer():
    assert error(429, {}, retry_after="2", retry_after_ms="1500").retry_after == 1.5


def test_retry_after_as_a_date_counts_from_now():
    then = datetime.now(UTC) + timedelta(seconds=90)

    assert 80 < error(503, {}, retry_after=format_datetime(then, usegmt=True)).retry_after <= 90
    assert error(503, {}, retry_after="Fri, 01 Jan 2021 00:00:00 GMT").retry_after == 0
    assert error(503, {}, retry_after="Fri, never").retry_after is None


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_reset_in_unix_milliseconds_counts_from_now(where):
    moment = str(int((datetime.now(UTC) + timedelta(seconds=45)).timestamp() * 1000))
    metadata = {"headers": {"X-RateLimit-Reset": moment}} if where == "body" else {}
    headers = {"x_ratelimit_reset": moment} if where == "header" else {}

    found = error(429, {"error": {"message": "Rate limit exceeded", "code": 429, "metadata": metadata}}, **headers)

    assert 40 < found.retry_after <= 45


@pytest.mark.parametrize("value", ["17", "6ms", "", "1700000000", "nan"])
def test_a_reset_of_another_kind_is_no_moment(value):
    assert error(429, {}, x_ratelimit_reset=value).retry_after is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"requests": ("0", "1m12.5s"), "tokens": ("100", "6m0s")}, 72.5),
        ({"requests": ("0", "2s"), "tokens": ("0", "17.4s")}, 17.4),
        ({"tokens": ("0", "6ms")}, 0.006),
        ({"tokens": ("0", "soon"), "requests": ("0", "")}, None),
        ({"tokens": ("12", "17s")}, None),
    ],
)
def test_the_limit_of_which_nothing_remains_says_when_it_is_reset(headers, seconds):
    sent = {}
    for limit, (remaining, reset) in headers.items():
        sent |= {f"x_ratelimit_remaining_{limit}": remaining, f"x_ratelimit_reset_{limit}": reset}

    assert error(429, {}, **sent).retry_after == seconds
    assert error(429, {}, **sent, retry_after="7").retry_after == 7


def test_anthropics_limits_are_reset_at_a_moment():
    moment = (datetime.now(UTC) + timedelta(seconds=45)).strftime("%Y-%m-%dT%H:%M:%SZ")
    used_up = {"anthropic_ratelimit_tokens_remaining": "0", "anthropic_ratelimit_tokens_reset": moment}

    assert 40 < error(429, {}, **used_up).retry_after <= 45
    assert error(429, {}, **used_up | {"anthropic_ratelimit_tokens_reset": "later"}).retry_after is None


def test_a_reset_that_has_passed_is_now_and_a_retry_after_wins():
    assert error(429, {}, x_ratelimit_reset="1600000000000").retry_after == 0
    assert error(429, {}, x_ratelimit_reset="9999999999999", retry_after="7").retry_after == 7


def test_what_the_provider_behind_a_gateway_said_is_told_too():
    metadata = {"raw": "model is temporarily rate-limited upstream", "provider_name": "Google"}

    found = error(429, {"error": {"message": "Provider returned error", "code": 429, "metadata": metadata}})

    assert str(found) == "HTTP 429: Provider returned error: model is temporarily rate-limited upstream"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (429, "This would exceed your account's monthly spend limit", "quota"),
        (400, "Your credit balance is too low to access the API", "quota"),
        (403, "Your team has reached its monthly spending limit", "quota"),
        (403, "openai/x requires moderation. Your input was flagged", "content_filter"),
        (400, "input length and `max_tokens` exceed context limit: 9 + 9 > 10", "context_length"),
        (400, "The input token count (12) exceeds the maximum number of tokens allowed (10)", "context_length"),
        (429, "Slow down", "rate_limit"),
        (403, "You may not", "permission"),
    ],
)
def test_a_message_that_says_more_than_the_status_decides(status, message, code):
    assert error(status, {"error": {"message": message}}).code == code


def test_the_reason_in_the_details_decides_and_a_list_of_one_is_read():
    details = [{"@type": "Help"}, {"reason": "API_KEY_INVALID"}]
    body = [{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": details}}]

    assert error(400, body).code == "auth"
    assert errors.is_error(body)
    assert not errors.is_error([])


@pytest.mark.parametrize("name", errors.REQUEST_ID_HEADERS)
def test_the_request_id_is_kept_for_the_providers_support(name):
    assert errors.from_response(500, {name: "req_1"}, b"").request_id == "req_1"


@settings(max_examples=300, deadline=None)
@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_body_whatsoever_crashes_it(status, body):
    assert isinstance(errors.from_response(status, {}, body), exceptions.ProviderError)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "message", "code", "type", "detail", "details", "retryDelay", "status"]),
                inner,
            )
        ),
        max_leaves=10,
    )
)
def test_no_json_whatsoever_crashes_it(payload):
    assert isinstance(errors.from_event(payload), exceptions.ProviderError)
    assert isinstance(error(400, payload), exceptions.ProviderError)


def seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.parametrize("page", [b"<" * 65_536, b"<a" * 32_768, b"< >" * 20_000], ids=["open", "letters", "closed"])
def test_a_page_of_brackets_costs_no_time(page):
    assert seconds(lambda: error(502, page)) < 0.2


@pytest.mark.parametrize(
    "fields",
    [
        {"message": "try again in " * 600_000},
        {"message": "token count " * 600_000},
        {"message": "no", "code": "image_" * 1_000_000},
        {"message": "no", "type": "invalid_" * 1_000_000},
        {"detail": ["x" * 8] * 1_000_000},
    ],
    ids=["waits", "counts", "code", "type", "details"],
)
def test_an_error_event_of_megabytes_costs_no_time_and_is_cut(fields):
    found = []

    assert seconds(lambda: found.append(errors.from_event({"error": fields}))) < 0.1
    assert len(str(found[0])) < 1000


def test_a_long_message_still_says_when_to_come_back():
    message = "Your prompt was: " + "x" * 1000 + " Please try again in 7s."

    assert errors.from_event({"error": {"message": message}}).retry_after == 7
