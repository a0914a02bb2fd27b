"""Calls: the calls that one answer takes, until one of them has answered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from decimal import Decimal

from django.db import OperationalError

from converse_stream import prices
from converse_stream.exceptions import StoreUnavailable
from converse_stream.generation.call import Call
from converse_stream.generation.plan import Plan
from converse_stream.models import LIVE_STATUSES, Message
from converse_stream.models.history import history
from converse_stream.outcome import Outcome
from converse_stream.prompts import PromptMessage
from converse_stream.providers.base import Provider
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")

_FOR_STAFF = frozenset({"auth", "permission", "quota"})
"""What does not pass until somebody does something."""


class Calls:
    """What a generation knows of its calls. `begin` and `end` use the database, `after` does not."""

    def __init__(self, message: Message, providers: Sequence[Provider], stream: PrismStream) -> None:
        self._message = message
        self._stream = stream
        self._plan = Plan(providers)
        self._history: list[PromptMessage] | None = None
        self._call: Call | None = None
        self._spent = Decimal(0)
        # A stop may end the generation while another thread still begins a call.
        self._lock = threading.Lock()

    def begin(self) -> Call:
        """Return the next call; it is recorded, and about to be made."""
        provider, option = self._plan.provider, self._plan.stream_option
        try:
            with self._lock:
                if self._history is None:
                    prices.load()
                    self._history = history(self._message.conversation, parent=self._message.parent)
                prompt = provider.prompt(self._history, None if option is None else {"stream": option})
                self._name(provider)
                self._call = Call(provider, prompt, self._stream, spent=self._spent)
                self._call.begin()
                return self._call
        except OperationalError as error:
            raise StoreUnavailable("the database could not be reached to begin the answer") from error

    def after(self, call: Call) -> float | None:
        """Return the seconds to wait before the next call; None if this one has answered.

        Raise the error of a call that none follows.
        """
        if call.error is None:
            return None
        error, label = call.error, call.provider.label
        self._spent += call.cost or 0
        pause = self._plan.go_on(error)
        if pause is None:
            if error.retry_after:
                error.args = (f"{error} (it asks to wait {error.retry_after:.0f} s)",)
            raise error
        # What the call has told, but for the price, is told of no other.
        self._stream.outcome = Outcome(cost=self._stream.outcome.cost)
        level = logging.ERROR if error.code in _FOR_STAFF else logging.WARNING
        then = "asking again" if self._plan.provider is call.provider else f"asking {self._plan.provider.label}"
        logger.log(level, "message %s: %s failed: %s; %s in %.1f s", self._message.pk, label, error.code, then, pause)
        return pause

    def end(self) -> None:
        """Record how the last call went, if that has not been done."""
        with self._lock:
            if self._call is None:
                return
            try:
                self._call.end()
            except OperationalError:
                logger.warning("message %s: how its call went could not be recorded", self._message.pk, exc_info=True)

    def _name(self, provider: Provider) -> None:
        """Let the message say who is asked now."""
        message = self._message
        if (message.provider, message.model) == (provider.name, provider.model):
            return
        message.provider, message.model = provider.name, provider.model
        rows = Message.objects.filter(pk=message.pk, lease_holder=message.lease_holder, status__in=LIVE_STATUSES)
        rows.update(provider=provider.name, model=provider.model)
