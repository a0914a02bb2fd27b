"""Responses as the schema describes them. Nothing is rendered by these: a test holds them to what is sent."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from converse_stream.models import Role, Status


class ErrorDetail(serializers.Serializer[Any]):
    """What went wrong, for a program and for a person."""

    code = serializers.CharField()
    message = serializers.CharField()
    live_message = serializers.UUIDField(required=False, help_text="with the code busy: the live answer")


class Error(serializers.Serializer[Any]):
    """An error of the package."""

    error = ErrorDetail()


class Refusal(serializers.Serializer[Any]):
    """An error of REST framework."""

    detail = serializers.CharField()


class FailedAnswer(serializers.Serializer[Any]):
    """Why an answer failed."""

    code = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField()


class Message(serializers.Serializer[Any]):
    """One message, as it is everywhere."""

    id = serializers.UUIDField()
    conversation = serializers.UUIDField()
    number = serializers.IntegerField(help_text="1-based order in the conversation")
    role = serializers.ChoiceField([Role.USER, Role.ASSISTANT, Role.TOOL])
    status = serializers.ChoiceField(Status.values)
    content = serializers.CharField(allow_null=True, help_text="of a live message what is committed by now")
    parts = serializers.ListField(child=serializers.DictField(), allow_null=True)
    metadata = serializers.DictField(help_text="as PUBLIC_METADATA allows")
    provider = serializers.CharField()
    model = serializers.CharField()
    finish_reason = serializers.CharField(allow_null=True)
    error = FailedAnswer(allow_null=True)
    length = serializers.IntegerField(help_text="positions: characters and calls")
    delta_count = serializers.IntegerField()
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    duration = serializers.FloatField(allow_null=True, help_text="seconds")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields; declared in the class, `parent` would hide what a serializer's own `parent` is."""
        return super().get_fields() | {"parent": serializers.UUIDField(allow_null=True)}


class MessagePage(serializers.Serializer[Any]):
    """A page of messages."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = Message(many=True)


class Conversation(serializers.Serializer[Any]):
    """A conversation, as its owner sees it."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    model = serializers.CharField()
    options = serializers.DictField(help_text="as CLIENT_OPTIONS allows")
    metadata = serializers.DictField(help_text="as PUBLIC_METADATA allows")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ConversationPage(serializers.Serializer[Any]):
    """A page of conversations."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = Conversation(many=True)


class Accepted(serializers.Serializer[Any]):
    """A question that is being answered."""

    user_message = Message(allow_null=True)
    message = Message()
    stream_url = serializers.CharField()


class Ticket(serializers.Serializer[Any]):
    """What an EventSource needs in place of headers."""

    ticket = serializers.CharField()
    stream_url = serializers.CharField()
    expires_in = serializers.FloatField(help_text="seconds")


class Figures(serializers.Serializer[Any]):
    """What answers have used; null where no provider has counted."""

    answers = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    cached_tokens = serializers.IntegerField(allow_null=True)
    reasoning_tokens = serializers.IntegerField(allow_null=True)
    cost = serializers.DecimalField(max_digits=None, decimal_places=8, allow_null=True)


class ModelFigures(Figures):
    """The same of one model."""

    provider = serializers.CharField()
    model = serializers.CharField()


class DayFigures(Figures):
    """The same of one day."""

    day = serializers.DateField()


class UsageFigures(serializers.Serializer[Any]):
    """A user's usage in a range of days."""

    since = serializers.DateField()
    until = serializers.DateField()
    total = Figures()
    models = ModelFigures(many=True)
    days = DayFigures(many=True)
