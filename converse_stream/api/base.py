"""What all views of the API share: a signed-in user, that user's rows only, one form of errors, nothing cached."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from converse_stream.api import origins
from converse_stream.api.errors import PublicErrors
from converse_stream.api.parsers import CleanJSONParser
from converse_stream.api.throttles import ConverseThrottle
from converse_stream.models import Conversation, Message, Role

SSE = "text/event-stream"


class LenientNegotiation(DefaultContentNegotiation):
    """Never 406: who accepts a stream gets errors as JSON, who accepts nothing of ours the first renderer there is."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return a renderer and its media type."""
        if wants_stream(request):
            chosen = next((one for one in renderers if isinstance(one, JSONRenderer)), renderers[0])
            return chosen, chosen.media_type
        try:
            chosen, media_type = super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            return renderers[0], renderers[0].media_type
        return chosen, media_type


class OwnerView(PublicErrors):
    """A view for the owner of what it shows. Whoever does not own a row is told that it does not exist."""

    permission_classes = (IsAuthenticated,)
    parser_classes = (CleanJSONParser, FormParser, MultiPartParser)
    content_negotiation_class = LenientNegotiation
    converse_throttle = "converse"
    """The scope of the view in DEFAULT_THROTTLE_RATES; without a rate there nothing is limited."""

    def conversations(self) -> QuerySet[Conversation]:
        """Return the conversations of the user who asks."""
        return Conversation.objects.for_user(self.request.user)

    def messages(self) -> QuerySet[Message]:
        """Return the messages the user who asks may see; system messages speak to the model only."""
        return Message.objects.for_user(self.request.user).exclude(role=Role.SYSTEM)

    def get_throttles(self) -> list[BaseThrottle]:
        """Return the site's throttles and our own."""
        return [*super().get_throttles(), ConverseThrottle()]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer the question of a page of another origin, whether it may ask, before anybody signs in."""
        if origins.is_preflight(request):
            return origins.preflight(request, self.allowed_methods)
        return super().dispatch(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers out of caches, unless the response says itself what may be kept."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        origins.allow(request, response)
        return response


def wants_stream(request: Request) -> bool:
    """Return whether the client would rather have a stream of events than JSON."""
    preferred: str | None = request._request.get_preferred_type(["application/json", SSE])
    return preferred == SSE


def url_of(request: Request, name: str, pk: object) -> str:
    """Return the path of one of our views, under the prefix the request came by."""
    match = request._request.resolver_match
    return reverse(f"converse_api:{name}", args=[pk], current_app=match.namespace if match else None)


def stream_url(request: Request, message: Message) -> str:
    """Return the path at which `message` is followed, under the prefix the request came by."""
    return url_of(request, "message-stream", message.pk)
