from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class ExampleConfig(AppConfig):
    name = "example_project"

    def ready(self) -> None:
        """Make the site's Celery application the one that tasks are sent through."""
        if settings.CONVERSE_STREAM.get("RUNNER") == "celery":
            import_module("example_project.celery")
