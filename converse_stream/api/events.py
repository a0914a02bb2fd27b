"""A conversation's live updates over REST."""

from uuid import UUID

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework.request import Request

from converse_stream.api.streams import StreamView
from converse_stream.limits import ViewerSlot
from converse_stream.responses.updates import watch_response


class ConversationEvents(StreamView):
    """GET watches a conversation from `?after=` or `Last-Event-ID` on, without end."""

    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Return the stream of updates."""
        conversation = get_object_or_404(self.conversations().defer("system_prompt"), pk=pk)
        slot = ViewerSlot(request.user.pk)
        response = watch_response(request._request, conversation)
        return slot.held_by(response) if response.streaming else response
