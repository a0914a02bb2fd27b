"""The `content` field: plain text, which of a live message is read from what is committed."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute

from converse_stream.events import text_of


class _CommittedContent(DeferredAttribute):
    """`message.content`: of a live message the committed text so far, read when asked for and kept."""

    def __get__(self, instance: Any, cls: type[models.Model] | None = None) -> Any:
        if instance is not None and instance.is_live and not instance._state.adding:
            return text_of(instance.committed_parts())
        return super().__get__(instance, cls)

    def __set__(self, instance: models.Model, value: str) -> None:
        instance.__dict__["content"] = value
        instance.__dict__.pop("_committed", None)


class ContentField(models.TextField):  # type: ignore[type-arg]
    """A TextField with an attribute of its own; the same column."""

    descriptor_class = _CommittedContent

    def deconstruct(self) -> Any:
        """Leave migrations with a TextField."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
