"""What is refused before anything is written, over HTTP: a status and JSON, in words fit for the public."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

from converse_stream.exceptions import (
    ContentTooLong,
    ConversationBusy,
    ConverseError,
    IdempotencyMismatch,
    InvalidContent,
    InvalidOptions,
    MalformedCursor,
    NothingToAnswer,
    ReservedMetadata,
    SiteFull,
    TooManyAnswers,
    TooManyRequests,
    TooManyViewers,
    UnknownDialect,
    UnknownModel,
)

STATUS: Mapping[type[Exception], HTTPStatus] = {
    ConversationBusy: HTTPStatus.CONFLICT,
    ContentTooLong: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    InvalidContent: HTTPStatus.BAD_REQUEST,
    InvalidOptions: HTTPStatus.BAD_REQUEST,
    MalformedCursor: HTTPStatus.BAD_REQUEST,
    NothingToAnswer: HTTPStatus.BAD_REQUEST,
    ReservedMetadata: HTTPStatus.BAD_REQUEST,
    IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyAnswers: HTTPStatus.TOO_MANY_REQUESTS,
    SiteFull: HTTPStatus.SERVICE_UNAVAILABLE,
    TooManyViewers: HTTPStatus.TOO_MANY_REQUESTS,
    UnknownDialect: HTTPStatus.BAD_REQUEST,
    UnknownModel: HTTPStatus.BAD_REQUEST,
}
"""What a client can do something about. Anything else is a fault of ours and stays one."""


def status_of(error: ConverseError) -> HTTPStatus | None:
    """Return the status that tells a client about `error`, or None if it is none of a client's business."""
    return next((STATUS[base] for base in type(error).__mro__ if base in STATUS), None)


def error_body(error: ConverseError) -> dict[str, Any]:
    """Return `{"error": {"code", "message"}}`, with the `live_message` that a question has to wait for."""
    body = {"code": error.code, "message": str(error.public)}
    if isinstance(error, ConversationBusy) and error.live_message:
        body["live_message"] = str(error.live_message)
    return {"error": body}


def error_headers(error: ConverseError) -> dict[str, str]:
    """Return the headers that belong to a refusal."""
    return {"Retry-After": str(error.retry_after)} if isinstance(error, TooManyRequests) else {}


def refusal(error: ConverseError) -> JsonResponse | None:
    """Return the response that tells a client about `error`, or None if it is none of a client's business."""
    status = status_of(error)
    return None if status is None else JsonResponse(error_body(error), status=status, headers=error_headers(error))
