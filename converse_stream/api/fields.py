"""Fields of what a client may send: text as it can be stored, and no more choice of models and options than allowed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import empty

from converse_stream import limits, registry
from converse_stream.cleaning import clean_text
from converse_stream.conf import settings
from converse_stream.events import dumps
from converse_stream.exceptions import UnknownModel

logger = logging.getLogger("converse_stream")

MAX_JSON_CHARS = 16_384
"""The largest JSON object that a client may have stored."""


class CleanTextField(serializers.CharField):
    """Text as it will be stored: NUL and lone surrogates become U+FFFD, as they do everywhere else.

    A number is no text.
    """

    def to_internal_value(self, data: Any) -> str:
        """Return the cleaned text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return clean_text(super().to_internal_value(data))


class StrictBooleanField(serializers.BooleanField):
    """True or false, in a form or a query by these words; not yes, on, 1 or whatever else may mean it."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        value = {"true": True, "false": False}.get(data) if isinstance(data, str) else data
        if not isinstance(value, bool):
            self.fail("invalid", input=data)
        return value


class StrictUUIDField(serializers.UUIDField):
    """An id in its one spelling."""

    def to_internal_value(self, data: Any) -> UUID:
        """Return the id."""
        value = super().to_internal_value(data) if isinstance(data, str) else None
        if value is None or str(value) != data.lower():
            self.fail("invalid", value=data)
        return value


class ContentField(CleanTextField):
    """A question. Whether it can be accepted is decided by `ask`, for every caller alike."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def run_validation(self, data: Any = empty) -> Any:
        """Return the content; of nothing at all `ask` says what is wrong with it."""
        return "" if data == "" else super().run_validation(data)


class PromptField(CleanTextField):
    """A system prompt, held to the limit of every other prompt and never sent back."""

    def __init__(self, **options: Any) -> None:
        super().__init__(write_only=True, required=False, allow_blank=True, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the prompt. Raise ValidationError for one that is too long."""
        prompt, limit = super().to_internal_value(data), settings.MAX_PROMPT_CHARS
        if len(prompt) > limit:
            message = _("Ensure this field has no more than %(limit)d characters.") % {"limit": limit}
            raise serializers.ValidationError(message)
        return prompt


class ModelField(CleanTextField):
    """The name of a model that a client may choose, or nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=200, required=False, allow_blank=True, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the name. Raise UnknownModel now rather than at the first question."""
        name = super().to_internal_value(data)
        limits.check_model(name)
        if name:
            check_model(name, {})
        return name


class OptionsField(serializers.DictField):
    """Options that a client may set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the options. Raise ValidationError naming each that is not in CLIENT_OPTIONS."""
        options = limited(super().to_internal_value(data))
        refuse_unknown(options, settings.CLIENT_OPTIONS)
        limits.check_options(options)
        return options


class MetadataField(serializers.DictField):
    """What a client keeps with a conversation."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the metadata. A client changes what a client sees: the other keys may have become the site's."""
        metadata = limited(super().to_internal_value(data))
        if getattr(self.parent, "partial", False):
            refuse_unknown(metadata, settings.PUBLIC_METADATA)
        return metadata


def check_model(name: str, options: Mapping[str, Any]) -> None:
    """Raise UnknownModel or InvalidOptions if nobody can answer as asked for."""
    try:
        registry.provider(name or None, **options)
    except ImproperlyConfigured as error:
        # The site's mistake, which a client can do nothing about but choose another one.
        logger.error("a client chose the model %r: %s", name[:60], error)
        raise UnknownModel(str(error)) from error


def limited(value: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object. Raise ValidationError if it is too large to be kept."""
    if len(dumps(value)) > MAX_JSON_CHARS:
        raise serializers.ValidationError(_("This object is too large."))
    return value


def refuse_unknown(given: Any, known: Any) -> None:
    """Raise ValidationError naming every key of `given` that a client cannot set."""
    unknown = set(given) - set(known)
    if unknown:
        refusal = {clean_text(str(name))[:64]: [_("Unknown field.")] for name in sorted(unknown, key=str)}
        raise serializers.ValidationError(refusal)


class KnownFieldsOnly(serializers.Serializer[Any]):
    """A serializer that refuses what it does not know: nobody's `role` or `owner` is ignored in silence."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields. Raise ValidationError naming every field a client cannot set."""
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            # The token that Django's own forms carry.
            tokens = {"csrfmiddlewaretoken"} if isinstance(data, QueryDict) else set()
            refuse_unknown(data, writable | tokens)
        return super().to_internal_value(data)
