"""Where generations execute: `thread`, `inline`, `celery`, `tasks`, or a dotted path to a Runner."""

from converse_stream.conf import load, settings
from converse_stream.runners.base import Runner
from converse_stream.runners.inline import InlineRunner
from converse_stream.runners.performing import perform
from converse_stream.runners.queue import QueueRunner
from converse_stream.runners.thread import ThreadRunner

__all__ = ["BUILT_IN", "InlineRunner", "QueueRunner", "Runner", "get_runner", "load_class", "perform"]

BUILT_IN = {
    "inline": "converse_stream.runners.inline.InlineRunner",
    "thread": "converse_stream.runners.thread.ThreadRunner",
    "celery": "converse_stream.runners.celery.CeleryRunner",
    "tasks": "converse_stream.runners.tasks.TaskRunner",
}
_QUICK: dict[str, type[Runner]] = {"inline": InlineRunner, "thread": ThreadRunner}


def get_runner() -> Runner:
    """Return the runner that the setting `RUNNER` names. Raise ImproperlyConfigured for what is none."""
    return load_class(settings.RUNNER)()


def load_class(name: object) -> type[Runner]:
    """Return the class that a value of `RUNNER` names. Raise ImproperlyConfigured."""
    path = BUILT_IN.get(name, name) if isinstance(name, str) else name
    return _QUICK.get(str(name)) or load("RUNNER", path, Runner)
