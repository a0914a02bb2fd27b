"""Pages that stay put while rows are added: a cursor is a place in the order, never a row count."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    """Pages of 50; `?page_size=` asks for up to 100."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """Return the rows of the page asked for. Raise NotFound for a cursor that is none of ours."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError, ValidationError) as error:
            # A forged cursor can name a position that is no value of the column.
            raise NotFound(self.invalid_cursor_message) from error
