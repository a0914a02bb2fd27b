"""The Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConverseStreamConfig(AppConfig):
    """Conversations, messages and their streams."""

    name = "converse_stream"
    verbose_name = _("Conversations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from converse_stream import checks  # noqa: F401, PLC0415 - apps must be loaded first
