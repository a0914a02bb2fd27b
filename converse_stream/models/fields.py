"""The columns of a conversation and of a message."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings as django_settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from converse_stream.models.choices import Role, Status
from converse_stream.models.content import ContentField

COUNTED = frozenset({"id", "last_number", "revision"})
"""What only the database knows by now."""


class ConversationFields(models.Model):
    """What a conversation's row holds."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="converse_conversations"
    )
    subject_type = models.ForeignKey(ContentType, models.SET_NULL, null=True, blank=True, related_name="+")
    subject_id = models.CharField(max_length=64, blank=True)
    subject = GenericForeignKey("subject_type", "subject_id")
    title = models.CharField(max_length=200, blank=True)
    system_prompt = models.TextField(blank=True)
    model = models.CharField(max_length=200, blank=True, help_text=_("provider:model; empty for DEFAULT_MODEL"))
    options = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    last_number = models.PositiveIntegerField(default=0, editable=False)
    revision = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title or str(self.pk)

    def save(
        self,
        *,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save as Django does, but leave alone what others count on meanwhile; who watches learns of the change."""
        is_change = not self._state.adding and not force_insert and using in (None, self._state.db)
        if is_change and update_fields is None:
            names = {field.attname: field.name for field in self._meta.concrete_fields}
            update_fields = [names[name] for name in names if name not in COUNTED | self.get_deferred_fields()]
        super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)
        if is_change:
            rows = type(self)._base_manager.using(self._state.db).filter(pk=self.pk)
            rows.update(revision=F("revision") + 1)


class MessageFields(models.Model):
    """What a message's row holds."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField(help_text=_("1-based order in the conversation"))
    role = models.CharField(max_length=16, choices=Role.choices)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.COMPLETE)
    content = ContentField(blank=True)
    parts = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    provider = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=200, blank=True)
    finish_reason = models.CharField(max_length=16, blank=True)
    finish_reason_raw = models.CharField(max_length=100, blank=True)
    error_code = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True, help_text=_("for staff; never shown to viewers"))

    delta_count = models.PositiveIntegerField(default=0)
    length = models.PositiveIntegerField(default=0, help_text=_("positions: characters and calls"))
    started_at = models.DateTimeField(null=True, blank=True)
    first_delta_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True, help_text=_("seconds"))
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    reasoning_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True, blank=True)
    timeline = models.JSONField(default=list, blank=True, help_text=_("[milliseconds since the start, position] pairs"))

    lease_holder = models.CharField(max_length=32, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    claims = models.PositiveIntegerField(default=0)
    request = models.JSONField(default=dict, blank=True, help_text=_("what another process needs to write the answer"))
    client_key = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - NULLs may repeat
    request_fingerprint = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.role} {self.number} ({self.status})"
