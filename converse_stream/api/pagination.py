"""Pages that stay put while rows are added: a cursor is a place in the order, never a row count."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class Pages(CursorPagination):
    """Pages of 50; `?page_size=` asks for 1 to 100."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """Return the rows of the page asked for. Raise NotFound for a cursor that is none of ours."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError, ValidationError) as error:
            # A forged cursor can name a position that is no value of the column.
            raise exceptions.NotFound(self.invalid_cursor_message) from error

    def get_page_size(self, request: Request) -> int:
        """Return how many rows a page has. Raise ValidationError for no such number."""
        asked = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (asked.isascii() and asked.isdigit() and len(asked) <= 3 and 1 <= int(asked) <= self.max_page_size):
            message = _("Ask for 1 to %(most)d.") % {"most": self.max_page_size}
            raise exceptions.ValidationError({self.page_size_query_param: [message]})
        return int(asked)


class Ordering(OrderingFilter):
    """`?ordering=` names one of the view's fields, `-` before it turns the order round."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        """Return the order. Raise ValidationError for a field that the view has not."""
        asked = request.query_params.get(self.ordering_param)
        if asked is None:
            return self.get_default_ordering(view)
        if asked.removeprefix("-") not in view.ordering_fields:
            raise exceptions.ValidationError({self.ordering_param: [_("There is no such order.")]})
        return [asked]
