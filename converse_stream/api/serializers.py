"""What a client may send, and how a conversation is shown. A message is shown by its own `to_dict`."""

from __future__ import annotations

from typing import Any

from django.db import router, transaction
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from converse_stream.api.fields import (
    CleanTextField,
    ContentField,
    KnownFieldsOnly,
    MetadataField,
    ModelField,
    OptionsField,
    PromptField,
    StrictBooleanField,
    StrictUUIDField,
    check_model,
)
from converse_stream.conf import settings
from converse_stream.models import Conversation


class ConversationSerializer(KnownFieldsOnly, serializers.ModelSerializer[Conversation]):
    """A conversation. Its system prompt is an instruction to the model and is never sent back."""

    title = CleanTextField(max_length=200, required=False, allow_blank=True)
    system_prompt = PromptField()
    model = ModelField()
    options = OptionsField()
    metadata = MetadataField()

    class Meta:
        """What an owner sends and sees."""

        model = Conversation
        fields = ("id", "title", "system_prompt", "model", "options", "metadata", "created_at", "updated_at")
        read_only_fields = ("id", "created_at", "updated_at")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raise InvalidOptions now rather than at the first question."""
        given = {name: value for name, value in attrs.get("options", {}).items() if value is not None}
        if isinstance(self.instance, Conversation):
            known = self.instance.model
        else:
            known = ""
            attrs |= {"options": given}
        if given:
            check_model(attrs.get("model", known), given)
        return attrs

    def update(self, instance: Conversation, validated_data: dict[str, Any]) -> Conversation:
        """Change what was sent. Metadata and options are changed key by key; null takes a key away."""
        using = router.db_for_write(Conversation)
        rows = Conversation.objects.using(using).filter(pk=instance.pk, deleted_at=None)
        with transaction.atomic(using=using):
            # A write first: what is read behind it nobody else is changing.
            if not rows.update(updated_at=timezone.now()):
                raise NotFound
            current = rows.get()
            for name in {"metadata", "options"} & set(validated_data):
                merged = getattr(current, name) | validated_data[name]
                validated_data[name] = {key: value for key, value in merged.items() if value is not None}
            for name, value in validated_data.items():
                setattr(current, name, value)
            current.save(using=using, update_fields=list(validated_data))
        return current

    def to_representation(self, instance: Conversation) -> dict[str, Any]:
        """Return what its owner may know; metadata and options as PUBLIC_METADATA and CLIENT_OPTIONS allow."""
        shown: dict[str, Any] = super().to_representation(instance)
        for name, public in (("metadata", settings.PUBLIC_METADATA), ("options", settings.CLIENT_OPTIONS)):
            shown[name] = {key: value for key, value in getattr(instance, name).items() if key in public}
        return shown


class RetrySerializer(KnownFieldsOnly):
    """How an answer is tried again: `interrupt` stops one that is live."""

    interrupt = StrictBooleanField(required=False)


class RegenerateSerializer(RetrySerializer):
    """How a question is answered once more."""

    model = ModelField()
    options = OptionsField()


class EditSerializer(RegenerateSerializer):
    """A question."""

    content = ContentField()


class QuestionSerializer(EditSerializer):
    """A question that may continue another branch: it follows `parent`."""

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; declared in the class, `parent` would hide what a serializer's own `parent` is."""
        return super().get_fields() | {"parent": StrictUUIDField(required=False, allow_null=True)}
