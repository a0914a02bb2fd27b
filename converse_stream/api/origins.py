"""Cross-origin requests: none, but for the origins in `ALLOWED_ORIGINS`, which may bring the visitor's session."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.request import Request

from converse_stream.conf import settings

REQUEST_HEADERS = "Accept, Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-CSRFToken"
RESPONSE_HEADERS = "Idempotent-Replayed, Location, Retry-After, X-Conversation"
REMEMBERED = "600"
"""Seconds for which a browser need not ask again."""


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a browser asks, on behalf of a page of another origin, if that page may ask."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def preflight(request: HttpRequest, methods: Iterable[str]) -> HttpResponse:
    """Return the answer to such a question. It says nothing of what there is."""
    response = HttpResponse(status=204)
    if allow(request, response):
        response["Access-Control-Allow-Methods"] = ", ".join(methods)
        response["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response["Access-Control-Max-Age"] = REMEMBERED
    return response


def allow(request: HttpRequest | Request, response: HttpResponseBase) -> bool:
    """Let the page that has asked read the response, if its origin is one of ALLOWED_ORIGINS. Return whether it is."""
    allowed = settings.ALLOWED_ORIGINS
    if not allowed:
        return False
    patch_vary_headers(response, ["Origin"])
    origin = request.headers.get("Origin")
    if origin is None or origin not in allowed:
        return False
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Allow-Credentials"] = "true"
    response["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
    return True
