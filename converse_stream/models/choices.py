"""The words a message's columns may hold."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """Who speaks."""

    SYSTEM = "system", _("system")
    USER = "user", _("user")
    ASSISTANT = "assistant", _("assistant")
    TOOL = "tool", _("tool")


class Status(models.TextChoices):
    """Where a message stands: pending → streaming → complete | failed | cancelled."""

    PENDING = "pending", _("pending")
    STREAMING = "streaming", _("streaming")
    COMPLETE = "complete", _("complete")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


LIVE_STATUSES = (Status.PENDING, Status.STREAMING)
