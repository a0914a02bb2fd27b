"""RefusalMiddleware: what a view refuses by one of our errors reaches its client as a status and JSON."""

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from converse_stream.exceptions import ConverseError
from converse_stream.responses import refusal


class RefusalMiddleware(MiddlewareMixin):
    """Answer 400, 409, 413, 422, 429 or 503 where a view lets an error of asking or following pass.

    An empty message, one that is too long, a second question while the first is being answered: without this, Django
    answers each with 500. What is no fault of the client's goes on as ever.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Return the response, or None for an error that is not ours or not the client's."""
        return refusal(exception) if isinstance(exception, ConverseError) else None
