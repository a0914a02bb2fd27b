"""The Django application."""

from contextlib import suppress

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class ConverseStreamConfig(AppConfig):
    """Conversations, messages and their streams."""

    name = "converse_stream"
    verbose_name = _("Conversations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and with the runner `celery` its task, which workers look for."""
        from converse_stream import checks, runners  # noqa: F401, PLC0415 - apps must be loaded first
        from converse_stream.checks.given import given  # noqa: PLC0415 - as above

        if given("RUNNER") == "celery":
            with suppress(ImproperlyConfigured):  # the checks say what is wrong
                runners.load_class("celery")
