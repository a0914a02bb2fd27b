"""What both pages share: they show, they never write, and a list costs the same however many rows it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    # At run time Django's class takes no type argument.
    ModelAdmin = admin.ModelAdmin


class LeanChangeList(ChangeList):
    """A list that does not read the columns which can be megabytes long."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows of the list."""
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        return rows.defer(*getattr(self.model_admin, "long_columns", ()))


class Inspection(ModelAdmin):
    """A read-only admin for a model with a uuid key."""

    long_columns: tuple[str, ...] = ()
    """What a list does not read."""
    id_columns: tuple[str, ...] = ("pk",)
    """Where a uuid typed into the search box is looked up, by index."""
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    class Media:
        """The style of long text."""

        css = {"all": ["converse_stream/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows come from conversations."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a save would overwrite what a writer adds meanwhile."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the lean list."""
        return LeanChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look up a uuid by its index, and anything else in the search fields."""
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        found = Q()
        for column in self.id_columns:
            found |= Q((column, wanted))
        return queryset.filter(found), False
