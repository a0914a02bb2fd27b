"""What a client may send, and how a conversation is shown. A message is shown by its own `to_dict`."""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from converse_stream import registry
from converse_stream.cleaning import clean_text
from converse_stream.conf import settings
from converse_stream.models import Conversation


class CleanTextField(serializers.CharField):
    """Text as it will be stored: NUL and lone surrogates become U+FFFD, as they do everywhere else."""

    def to_internal_value(self, data: Any) -> str:
        """Return the cleaned text."""
        return clean_text(super().to_internal_value(data))


class KnownFieldsOnly(serializers.Serializer[Any]):
    """A serializer that refuses what it does not know: nobody's `role` or `owner` is ignored in silence."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields. Raise ValidationError naming every field a client cannot set."""
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            # The token that Django's own forms carry.
            tokens = {"csrfmiddlewaretoken"} if isinstance(data, QueryDict) else set()
            unknown = set(data) - writable - tokens
            if unknown:
                refusal = {clean_text(str(name))[:64]: [_("Unknown field.")] for name in sorted(unknown, key=str)}
                raise serializers.ValidationError(refusal)
        return super().to_internal_value(data)


class ConversationSerializer(KnownFieldsOnly, serializers.ModelSerializer[Conversation]):
    """A conversation. Its system prompt is an instruction to the model and is never sent back."""

    title = CleanTextField(max_length=200, required=False, allow_blank=True)
    system_prompt = CleanTextField(write_only=True, required=False, allow_blank=True, trim_whitespace=False)
    model = CleanTextField(max_length=200, required=False, allow_blank=True)
    metadata = serializers.DictField(required=False)

    class Meta:
        """What an owner sends and sees."""

        model = Conversation
        fields = ("id", "title", "system_prompt", "model", "metadata", "created_at", "updated_at")
        read_only_fields = ("id", "created_at", "updated_at")

    def validate_system_prompt(self, value: str) -> str:
        """Hold the system prompt to the limit of every other prompt."""
        limit = settings.MAX_PROMPT_CHARS
        if len(value) > limit:
            message = _("Ensure this field has no more than %(limit)d characters.") % {"limit": limit}
            raise serializers.ValidationError(message)
        return value

    def validate_model(self, value: str) -> str:
        """Raise UnknownModel now rather than at the first question."""
        if value:
            registry.provider(value)
        return value

    def to_representation(self, instance: Conversation) -> dict[str, Any]:
        """Return what its owner may know; metadata as PUBLIC_METADATA allows."""
        shown: dict[str, Any] = super().to_representation(instance)
        public = set(settings.PUBLIC_METADATA)
        shown["metadata"] = {key: value for key, value in instance.metadata.items() if key in public}
        return shown


class QuestionSerializer(KnownFieldsOnly):
    """A user's message. Whether its content can be accepted is decided by `ask`, for every caller alike."""

    content = CleanTextField(allow_blank=True, trim_whitespace=False)
    model = CleanTextField(max_length=200, required=False, allow_blank=True)
