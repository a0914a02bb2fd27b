"""Errors of the package as HTTP: a status and `{"error": {"code", "message"}}`, in words fit for the public."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

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
    TooManyAnswers,
    TooManyRequests,
    TooManyViewers,
    UnknownDialect,
    UnknownModel,
)
from converse_stream.models import Conversation, Message

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
    TooManyViewers: HTTPStatus.TOO_MANY_REQUESTS,
    UnknownDialect: HTTPStatus.BAD_REQUEST,
    UnknownModel: HTTPStatus.BAD_REQUEST,
}
"""What a client can do something about. Anything else is a fault of ours and stays one."""


def error_response(error: ConverseError | type[ConverseError]) -> Response | None:
    """Return the response that tells a client about `error`, or None if it is none of a client's business."""
    kind = error if isinstance(error, type) else type(error)
    for base in kind.__mro__:
        if base in STATUS:
            body = {"error": {"code": kind.code, "message": str(kind.public), **_more(error)}}
            return Response(body, status=STATUS[base], headers=_headers(error))
    return None


def _more(error: object) -> dict[str, str]:
    if isinstance(error, ConversationBusy) and error.live_message:
        return {"live_message": str(error.live_message)}
    return {}


def _headers(error: object) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after)} if isinstance(error, TooManyRequests) else {}


class PublicErrors(APIView):
    """A view that answers the package's own errors; every other one goes the way the site has chosen."""

    def handle_exception(self, exc: Exception) -> Response:
        """Return the response for an exception that was raised while the request was handled."""
        if isinstance(exc, Conversation.DoesNotExist | Message.DoesNotExist):
            # Deleted since it was looked up.
            exc = NotFound()
        response = _response_for(exc)
        if response is None:
            return super().handle_exception(exc)
        set_rollback()
        response.exception = True
        return response


def _response_for(error: Any) -> Response | None:
    if isinstance(error, RequestDataTooBig):
        # Django would answer 400 with a page of HTML.
        return error_response(ContentTooLong)
    return error_response(error) if isinstance(error, ConverseError) else None
