"""Errors of the package as HTTP: a status and `{"error": {"code", "message"}}`, in words fit for the public."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from converse_stream.exceptions import ContentTooLong, ConverseError, StoreUnavailable
from converse_stream.models import Conversation, Message
from converse_stream.responses.refusals import error_body, error_headers, status_of

logger = logging.getLogger("converse_stream")

AWAY_FOR = 5
"""Seconds after which a client had better ask again when the database is away."""


def error_response(error: ConverseError) -> Response | None:
    """Return the response that tells a client about `error`, or None if it is none of a client's business."""
    status = status_of(error)
    return None if status is None else Response(error_body(error), status=status, headers=error_headers(error))


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
    if isinstance(error, OperationalError | InterfaceError):
        # The database is away, or has no connection left: for whoever comes back soon it may be there again.
        logger.error("a request was not answered: the database is away", exc_info=error)
        body = {"error": {"code": StoreUnavailable.code, "message": _("The site is busy. Please try again soon.")}}
        return Response(body, status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": str(AWAY_FOR)})
    if isinstance(error, RequestDataTooBig):
        # Django would answer 400 with a page of HTML.
        return error_response(ContentTooLong())
    return error_response(error) if isinstance(error, ConverseError) else None
