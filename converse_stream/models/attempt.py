"""Attempt: one call to a provider, recorded before it is made."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from converse_stream.models.message import Message


class Attempt(models.Model):
    """One call to a provider for a message, with its outcome and figures."""

    class Outcome(models.TextChoices):
        """How the call ended; `running` also for one whose process is gone."""

        RUNNING = "running", _("running")
        COMPLETE = "complete", _("complete")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    message = models.ForeignKey(Message, models.CASCADE, related_name="attempts")
    provider = models.CharField(max_length=64)
    model = models.CharField(max_length=200, blank=True, help_text=_("as it was asked for"))
    served_model = models.CharField(max_length=200, blank=True, help_text=_("as the provider names it"))
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.RUNNING)
    error_code = models.CharField(max_length=32, blank=True)
    time_to_first_delta = models.FloatField(null=True, help_text=_("seconds"))
    duration = models.FloatField(null=True, help_text=_("seconds"))
    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True, help_text=_("US dollars"))
    request_id = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")

    def __str__(self) -> str:
        return f"{self.provider}:{self.model} ({self.outcome})"
