"""The Celery application, for `celery -A example_project worker`: loaded only where CONVERSE_RUNNER is celery."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

app = Celery("example_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
