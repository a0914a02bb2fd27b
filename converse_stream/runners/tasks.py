"""The runner over Django's tasks, with whatever backend TASKS names; before Django 6.0 those of django-tasks."""

from __future__ import annotations

from converse_stream.conf import settings
from converse_stream.runners.performing import perform
from converse_stream.runners.queue import QueueRunner

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task  # type: ignore[no-redef] # the backport of the same

DEFAULT = "default"


@task(queue_name=settings.QUEUE or DEFAULT)
def generate(message_id: str) -> None:
    """Write a waiting answer."""
    perform(message_id)


class TaskRunner(QueueRunner):
    """Enqueues with the default backend."""

    def enqueue(self, message_id: str) -> None:
        """Enqueue the task, in the queue that `QUEUE` names."""
        generate.using(queue_name=settings.QUEUE or DEFAULT).enqueue(message_id)
