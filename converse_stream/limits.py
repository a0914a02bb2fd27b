"""What clients may do: follow so many streams at once in this process, choose these models and options, interrupt."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpResponseBase

from converse_stream.conf import settings
from converse_stream.exceptions import InvalidOptions, TooManyViewers, UnknownModel
from converse_stream.providers.options import COMMON, SAMPLING, check

_taken: Counter[Any] = Counter()
_lock = threading.RLock()  # a slot may be collected, and given back, in the middle of anything


def _forget() -> None:
    global _lock
    _lock = threading.RLock()
    _taken.clear()


os.register_at_fork(after_in_child=_forget)


class ViewerSlot:
    """One of the `MAX_VIEWERS_PER_USER` places of a user. Raise TooManyViewers when there is none left."""

    def __init__(self, user_id: Any) -> None:
        limit = settings.MAX_VIEWERS_PER_USER
        with _lock:
            if limit is not None and _taken[user_id] >= limit:
                raise TooManyViewers(f"MAX_VIEWERS_PER_USER is {limit}")
            _taken[user_id] += 1
        # A response that is never closed, as after an error while sending, gives its place back when it is collected.
        self.release = weakref.finalize(self, _give_back, user_id)
        self.release.atexit = False

    def held_by(self, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response, which gives the place back when it ends."""
        cast(Any, response)._resource_closers.append(self.release)
        cast(Any, response).viewer_slot = self
        return response


def check_model(name: str) -> None:
    """Raise UnknownModel for a model that clients may not choose."""
    allowed = settings.CLIENT_MODELS
    if name and allowed is not None and name not in allowed:
        raise UnknownModel(f"{name[:60]!r} is none of CLIENT_MODELS")


def check_options(options: object) -> None:
    """Raise InvalidOptions for options that clients may not set, and for values of the wrong kind."""
    if not isinstance(options, Mapping):
        raise InvalidOptions(f"options must be an object, not {type(options).__name__}")
    unknown = set(options).difference(settings.CLIENT_OPTIONS)
    if unknown:
        raise InvalidOptions(f"not in CLIENT_OPTIONS: {', '.join(sorted(unknown))[:60]}")
    # Here rather than by the provider alone: a site's own may take anything.
    known = SAMPLING | COMMON
    check({name: value for name, value in options.items() if name in known}, known, "of a client's choice")


def interrupts(asked: bool | None = None) -> bool:
    """Return whether a client's question stops a live answer: as it asks for, or else as WHEN_BUSY says."""
    return settings.WHEN_BUSY == "interrupt" if asked is None else asked


def _give_back(user_id: Any) -> None:
    with _lock:
        _taken[user_id] -= 1
        if _taken[user_id] <= 0:
            del _taken[user_id]
