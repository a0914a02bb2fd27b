"""Calls: the calls to providers that one answer takes: until one has answered, and in further steps after tools."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import InterfaceError, OperationalError

from converse_stream import prices
from converse_stream.conf import settings
from converse_stream.events import Data, ToolCall
from converse_stream.exceptions import StoreUnavailable
from converse_stream.generation.call import Call
from converse_stream.generation.plan import Plan
from converse_stream.generation.structure import Structure
from converse_stream.models import LIVE_STATUSES, Message
from converse_stream.models.history import history
from converse_stream.outcome import Outcome
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.base import Provider
from converse_stream.providers.catalogue import context_size
from converse_stream.schemas import INVALID
from converse_stream.tools import Toolbox
from converse_stream.windows import Window
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")

_FOR_STAFF = frozenset({"auth", "permission", "quota"})
"""What does not pass until somebody does something."""
_WAITS = frozenset({"tool_calls", "stop"})
"""The finish reasons after which a call of a tool is meant; after any other it may have been cut."""


class Calls:
    """What a generation knows of its calls. `begin` and `end` use the database, `after` does not."""

    def __init__(
        self,
        message: Message,
        providers: Sequence[Provider],
        stream: PrismStream,
        *,
        tools: Toolbox,
        structure: Structure | None = None,
        system: str | None = None,
        prompt: Sequence[PromptMessage] | None = None,
        window: Window | None = None,
    ) -> None:
        self.tools = tools
        """What the model may have called."""
        self.steps = 1
        """How many steps the answer has taken: each ends with the model's last word, or with calls of tools."""
        self.structure = structure
        """What object the answer is to be."""
        self.is_ended = False
        """Whether it is recorded how the last call went, and none has begun since."""
        self._message = message
        self._stream = stream
        self._system = system
        self._window = window
        self._plan = Plan(providers)
        self._prompt = prompt
        self._earlier = Outcome()
        self._history: Sequence[PromptMessage] | None = None
        self._call: Call | None = None
        self._amended: Prompt | None = None
        self._spent = Decimal(0)
        # A stop may end the generation while another thread still begins a call.
        self._lock = threading.Lock()

    def first(self) -> tuple[Provider, Prompt]:
        """Return who is asked first, and what."""
        provider = self._plan.provider
        try:
            with self._lock:
                self._history = self._asked()
                return provider, provider.prompt(self._told(provider), self._options(provider))
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable("the database could not be reached to begin the answer") from error

    def begin(self) -> Call:
        """Return the next call; it is recorded, and about to be made. Before this `is_ended` has to be taken back."""
        provider = self._plan.provider
        try:
            with self._lock:
                if self._history is None:
                    prices.load()
                    self._history = self._asked()
                    if self.tools:
                        _ = self._message.conversation.owner  # a tool may ask whose it is in async code
                prompt = self._amended or provider.prompt(self._told(provider), self._options(provider))
                self._name(provider)
                self._call = Call(provider, prompt, self._stream, spent=self._spent, earlier=self._earlier)
                self._call.begin()
                return self._call
        except (OperationalError, InterfaceError) as error:
            raise StoreUnavailable("the database could not be reached to begin the answer") from error

    def after(self, call: Call) -> float | None:
        """Return the seconds to wait before the next call; None if this one has answered.

        Raise the error of a call that none follows.
        """
        self._spent += call.cost or 0
        self._amended = call.amended
        if call.error is None:
            return None
        error, label = call.error, call.provider.label
        pause = 0.0 if self._amended else self._plan.go_on(error)
        if pause is None:
            if error.retry_after:
                error.args = (f"{error} (it asks to wait {error.retry_after:.0f} s)",)
            raise error
        # What the call has told, but for the price, is told of no other.
        self._stream.outcome = Outcome(cost=self._stream.outcome.cost).after(self._earlier)
        level = logging.ERROR if error.code in _FOR_STAFF else logging.WARNING
        then = "asking again" if self._plan.provider is call.provider else f"asking {self._plan.provider.label}"
        logger.log(level, "message %s: %s failed: %s; %s in %.1f s", self._message.pk, label, error.code, then, pause)
        return pause

    @property
    def may_go_on(self) -> bool:
        """Whether the answer may take another step."""
        most: int = settings.MAX_STEPS
        return self.steps < most

    def to_run(self) -> list[ToolCall]:
        """Return the calls that the model waits for, as all it has called can be run; none where the answer is over."""
        if self._call is None or self._stream.outcome.finish_reason not in _WAITS or not self.tools:
            return []
        return [call for call in self._call.calls.values() if not self.tools.is_only_declared(call.name)]

    def go_on(self, ran: Sequence[ToolCall]) -> bool:
        """After these tools have run: return whether there is another step, and prepare for it."""
        if self._call is None or not ran or len(ran) < len(self._call.calls) or not self.may_go_on:
            return False
        self._next_step()
        return True

    def read(self, parts: Sequence[Mapping[str, Any]]) -> Data | None:
        """Return what to write down behind the model's last word, where that was to be an object.

        If it was none, prepare for another step; the second time raise InvalidOutput.
        """
        reason = self._stream.outcome.finish_reason
        has_called = self._call is not None and self._call.calls and reason in _WAITS
        if self.structure is None or has_called:
            return None
        read = self.structure.read(parts, reason, is_last=not self.may_go_on)
        if read.name == INVALID:
            self._next_step()
        return read

    def end(self) -> None:
        """Record how the last call went, if that has not been done."""
        with self._lock:
            if self._call is None:
                return
            try:
                self._call.end()
                self.is_ended = True
            except (OperationalError, InterfaceError):
                logger.warning("message %s: how its call went could not be recorded", self._message.pk, exc_info=True)

    def _asked(self) -> Sequence[PromptMessage]:
        if self._prompt is not None:
            return self._prompt
        return history(
            self._message.conversation, parent=self._message.parent, system=self._system, window=self._window
        )

    def _options(self, provider: Provider) -> dict[str, Any]:
        """Return what is asked otherwise than the provider's options say."""
        options = self.structure.options(provider) if self.structure else {}
        if self._plan.stream_option is not None:
            options["stream"] = self._plan.stream_option
        # Whoever must call a tool in each step never comes to an answer.
        if self.steps > 1 and provider.options.get("tool_choice") not in (None, "auto", "none"):
            options["tool_choice"] = "auto"
        return options

    def _told(self, provider: Provider) -> list[PromptMessage]:
        """Return the history, and what the answer has said in its earlier steps."""
        said = [PromptMessage("assistant", self._stream.parts())] if self.steps > 1 else []
        history = Window(tokens=_room(provider)).fit(self._history or ())
        if self.structure is None:
            return [*history, *said]
        return [*self.structure.told(history, provider), *said, *self.structure.complaint()]

    def _next_step(self) -> None:
        self.steps += 1
        self._earlier = self._stream.outcome
        self._plan.next_step()

    def _name(self, provider: Provider) -> None:
        """Let the message say who is asked now."""
        message = self._message
        if (message.provider, message.model) == (provider.name, provider.model):
            return
        rows = Message.objects.filter(pk=message.pk, lease_holder=message.lease_holder, status__in=LIVE_STATUSES)
        rows.update(provider=provider.name, model=provider.model)
        message.provider, message.model = provider.name, provider.model


def _room(provider: Provider) -> int | None:
    """Return how many tokens of a prompt its model has room for, beside the answer; None where nobody knows."""
    size = context_size(provider.label)
    if size is None:
        return None
    longest = provider.options.get("max_tokens")
    return max(size - (longest if isinstance(longest, int) else size // 8), size // 8)
