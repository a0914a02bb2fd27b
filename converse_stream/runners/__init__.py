"""Where generations execute: `thread`, `inline`, or a dotted path to a Runner."""

from converse_stream.conf import load, settings
from converse_stream.runners.base import Runner
from converse_stream.runners.inline import InlineRunner
from converse_stream.runners.thread import ThreadRunner

__all__ = ["BUILT_IN", "InlineRunner", "Runner", "get_runner"]

BUILT_IN: dict[str, type[Runner]] = {"inline": InlineRunner, "thread": ThreadRunner}


def get_runner() -> Runner:
    """Return the runner that the setting `RUNNER` names. Raise ImproperlyConfigured for what is none."""
    name = settings.RUNNER
    if isinstance(name, str) and name in BUILT_IN:
        return BUILT_IN[name]()
    runner: Runner = load("RUNNER", name, Runner)()
    return runner
