"""Fields of ours as the schema describes them: with the models, options and limits that the site has set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension

from converse_stream import registry
from converse_stream.conf import settings

Json = dict[str, Any]
SPOKEN = r"[^\s\x1c-\x1f\x85]"
"""Something besides white space, of which Python knows more kinds than JSON Schema."""
NUMBER: Json = {"type": "number", "nullable": True}
KINDS: Mapping[str, Json] = {
    "temperature": NUMBER,
    "top_p": NUMBER,
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "seed": {"type": "integer", "nullable": True},
    "max_tokens": {"type": "integer", "minimum": 1, "nullable": True},
}
"""The kinds of options that have one; the others are left open."""


class KnownFieldsDescription(OpenApiSerializerExtension):
    """What a client sends: these fields and no others."""

    target_class = "converse_stream.api.fields.KnownFieldsOnly"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: str) -> str:
        """Return a name that no response has."""
        return f"{type(self.target).__name__.removesuffix('Serializer')}Request"

    def map_serializer(self, auto_schema: Any, direction: str) -> Json:
        """Return the fields."""
        fields: Json = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return fields | {"additionalProperties": False}


class ModelDescription(OpenApiSerializerFieldExtension):
    """A model: one of CLIENT_MODELS, or of any provider there is."""

    target_class = "converse_stream.api.fields.ModelField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Json:
        """Return what may be named."""
        if settings.CLIENT_MODELS is not None:
            return {"type": "string", "enum": [*settings.CLIENT_MODELS]}
        names = "|".join(re.escape(name) for name in sorted({*registry.BUILT_IN, *settings.PROVIDERS}))
        return {"type": "string", "pattern": f"^({names})(:[^\\x00-\\x1f]{{0,100}})?$", "maxLength": 200}


class OptionsDescription(OpenApiSerializerFieldExtension):
    """Options: those in CLIENT_OPTIONS."""

    target_class = "converse_stream.api.fields.OptionsField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Json:
        """Return what may be set."""
        return _closed({name: KINDS.get(name, {}) for name in settings.CLIENT_OPTIONS})


class MetadataDescription(OpenApiSerializerFieldExtension):
    """Metadata: anything at first, later what is public."""

    target_class = "converse_stream.api.fields.MetadataField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Json:
        """Return what may be kept."""
        if not self.target.parent.partial:
            return {"type": "object", "additionalProperties": {}}
        return _closed({name: {} for name in settings.PUBLIC_METADATA})


class ContentDescription(OpenApiSerializerFieldExtension):
    """Content: something to read, up to MAX_PROMPT_CHARS."""

    target_class = "converse_stream.api.fields.ContentField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Json:
        """Return what may be asked."""
        return {"type": "string", "maxLength": settings.MAX_PROMPT_CHARS, "minLength": 1, "pattern": SPOKEN}


class PromptDescription(OpenApiSerializerFieldExtension):
    """A system prompt, up to MAX_PROMPT_CHARS."""

    target_class = "converse_stream.api.fields.PromptField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Json:
        """Return what may be told to the model."""
        return {"type": "string", "maxLength": settings.MAX_PROMPT_CHARS}


def _closed(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "additionalProperties": False}
