"""Where generations execute: `thread`, `inline`, or a dotted path to a Runner."""

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from converse_stream.conf import settings
from converse_stream.runners.base import Runner
from converse_stream.runners.inline import InlineRunner
from converse_stream.runners.thread import ThreadRunner

__all__ = ["BUILT_IN", "InlineRunner", "Runner", "get_runner"]

BUILT_IN: dict[str, type[Runner]] = {"inline": InlineRunner, "thread": ThreadRunner}


def get_runner() -> Runner:
    """Return the runner that the setting `RUNNER` names."""
    name = settings.RUNNER
    if name in BUILT_IN:
        return BUILT_IN[name]()
    try:
        runner: Runner = import_string(name)()
    except ImportError as error:
        known = ", ".join(BUILT_IN)
        raise ImproperlyConfigured(f"RUNNER is {name!r}; expected {known} or the dotted path of a Runner") from error
    return runner
