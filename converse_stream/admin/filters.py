"""Filters whose choices cost no scan of the whole table."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from converse_stream.exceptions import BY_CODE
from converse_stream.models import Message

LATELY = 1_000


class ErrorFilter(admin.SimpleListFilter):
    """By error code: all that there are, seen or not."""

    title = _("error code")
    parameter_name = "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the codes."""
        return [(code, code) for code in sorted(BY_CODE)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with the code chosen."""
        return queryset.filter(error_code=self.value()) if self.value() else queryset


class ProviderFilter(admin.SimpleListFilter):
    """By provider: those of the newest thousand messages are offered; `?provider=` in the address takes any."""

    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return what has been used lately."""
        newest = Message.objects.order_by("-created_at").values_list(self.parameter_name, flat=True)[:LATELY]
        return [(value, value) for value in sorted({*newest, self.value() or ""} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with the value chosen."""
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class ModelFilter(ProviderFilter):
    """By model, as by provider."""

    title = _("model")
    parameter_name = "model"
