"""How many streams a user follows in this process: each one holds a slot while its response lasts."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from typing import Any, cast

from django.http import HttpResponseBase

from converse_stream.conf import settings
from converse_stream.exceptions import TooManyViewers

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


def _give_back(user_id: Any) -> None:
    with _lock:
        _taken[user_id] -= 1
        if _taken[user_id] <= 0:
            del _taken[user_id]
