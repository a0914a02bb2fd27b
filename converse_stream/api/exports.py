"""The export of a conversation: a download that is written as it is read, a few messages in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from converse_stream import database
from converse_stream.api.base import OwnerView
from converse_stream.api.formats import FORMATS, ExportFormat
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.committed import load_committed
from converse_stream.models.history import leaf
from converse_stream.responses.hybrid import HybridResponse

PAGE_MESSAGES = 50
PAGE_CHARS = 1_000_000
"""How much is in memory at a time: a page, or one message that is longer than that."""


class ConversationExport(OwnerView):
    """GET downloads a conversation, `?as=` one of `json`, `markdown`, `openai`, `ui-messages`."""

    # No HEAD: its response would read it all for nobody.
    http_method_names = ["get", "options"]
    converse_throttle = "converse_export"

    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Return the download."""
        name = request.query_params.get("as", "json")
        if name not in FORMATS:
            raise ValidationError({"as": [_("Choose one of %(names)s.") % {"names": ", ".join(FORMATS)}]})
        conversation = get_object_or_404(self.conversations().defer("system_prompt"), pk=pk)
        return ExportResponse(request._request, Export(conversation, FORMATS[name]))


class ExportResponse(HybridResponse):
    """A download that is written while it is read."""

    def __init__(self, request: HttpRequest, export: Export) -> None:
        super().__init__(export, request=request, content_type=export.format.content_type)
        name = f"conversation-{export.conversation.pk}.{export.format.suffix}"
        self["Content-Disposition"] = f'attachment; filename="{name}"'
        self["X-Content-Type-Options"] = "nosniff"


class Export:
    """A conversation as it is when the export begins, in one form, page by page."""

    def __init__(self, conversation: Conversation, format: ExportFormat) -> None:
        self.conversation = conversation
        self.format = format
        self._written = False

    def __iter__(self) -> Iterator[bytes]:
        yield self.format.begin(self.conversation).encode()
        for ids in self._pages():
            yield self._page(ids)
        yield self.format.end().encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.format.begin(self.conversation).encode()
        for ids in await database.run(self._pages):
            yield await database.run(self._page, ids)
        yield self.format.end().encode()

    def _pages(self) -> list[list[UUID]]:
        """Return the ids of the messages, gathered into pages that fit into memory."""
        rows = Message.objects.filter(conversation=self.conversation).exclude(role=Role.SYSTEM)
        found = {row["pk"]: row for row in rows.order_by("number").values("pk", "parent", "length")}
        wanted = found if self.format.whole else self._line(found)
        pages, room = list[list[UUID]](), 0
        for pk in wanted:
            length = found[pk]["length"]
            if not pages or length > room or len(pages[-1]) >= PAGE_MESSAGES:
                pages.append([])
                room = PAGE_CHARS
            pages[-1].append(pk)
            room -= length
        return pages

    def _line(self, found: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
        """Return the way from the root to the newest leaf."""
        newest = leaf(self.conversation)
        line, at = list[UUID](), newest.pk if newest else None
        while at is not None and at in found:
            line.append(at)
            at = found[at]["parent"]
        return line[::-1]

    def _page(self, ids: list[UUID]) -> bytes:
        messages = list(Message.objects.filter(pk__in=ids).order_by("number"))
        load_committed(messages)
        text = ""
        for item in (item for message in messages for item in self.format.items(message)):
            text += self.format.separator + item if self._written else item
            self._written = True
        return text.encode("utf-8", "replace")
