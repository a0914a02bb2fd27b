"""ViewedResponse: a response that one viewer reads, and whose body converse_application may take over."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from converse_stream.access import Claim, signing_session
from converse_stream.database import release
from converse_stream.handover import offered
from converse_stream.responses.hybrid import HybridResponse
from converse_stream.responses.viewing import ViewedBody, Viewing


class ViewedResponse(HybridResponse):
    """Under converse_application its body outlives the request, without a thread of Django's."""

    def __init__(self, body: ViewedBody, **options: Any) -> None:
        super().__init__(body, **options)
        self._body = body
        cast(Any, self)._resource_closers.append(body.close)

    @abstractmethod
    def viewed(self) -> tuple[str, Any]:
        """Return the conversation that somebody looks at, and the key of its owner. May read the database."""

    async def _hand_over(self) -> bool:
        """Leave the body to converse_application: unless a middleware has wrapped it, or somebody else iterates."""
        handover = offered.get()
        # Django marks the response that it sends with its handler.
        is_sent = getattr(self, "_handler_class", None) is not None
        if handover is None or not handover.is_open or not is_sent or self._iterator is not self._body:
            return False
        claim = await sync_to_async(self._claim)()
        slot, closers = getattr(self, "viewer_slot", None), cast(Any, self)._resource_closers
        for closer in (self._body.close, getattr(slot, "release", None)):
            if closer in closers:
                closers.remove(closer)  # the viewer stays when the request ends
        handover.rest = Viewing(self._body, claim, slot, handover.limits)
        return True

    def _claim(self) -> Claim:
        """Return what the view took for granted. The request's database connection is given back."""
        conversation_id, owner = self.viewed()
        request = self._asked_by()
        user = _looked_at(request)
        session_key = signing_session(user, getattr(request, "session", None)) if user is not None else ""
        release()
        return Claim(user, session_key, {conversation_id: owner})

    def _asked_by(self) -> HttpRequest | None:
        if self._request is not None:
            return self._request
        # Django closes the request with its response, so whoever was not given it finds it there.
        closed = (getattr(closer, "__self__", None) for closer in cast(Any, self)._resource_closers)
        return next((each for each in closed if isinstance(each, HttpRequest)), None)


def _looked_at(request: HttpRequest | None) -> AbstractBaseUser | None:
    """Return the signed-in user that a view or its middleware looked at: to all others it made no difference."""
    known = [getattr(request, name, None) for name in ("_cached_user", "_acached_user")]
    user = getattr(request, "user", None)
    if not (isinstance(user, LazyObject) and user._wrapped is empty):
        known.append(user)
    return next((each for each in known if getattr(each, "is_authenticated", False)), None)
