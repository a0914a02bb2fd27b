"""Call: one call to a provider, with its Attempt row."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from decimal import Decimal
from types import TracebackType
from typing import Self

from converse_stream import prices
from converse_stream.cleaning import clean_json
from converse_stream.events import (
    ABOUT,
    Content,
    Finish,
    Reasoning,
    Served,
    State,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    dumps,
    to_delta,
)
from converse_stream.exceptions import ProtocolError, ProviderError
from converse_stream.generation.joining import joined
from converse_stream.generation.source import Item, generator
from converse_stream.models import Attempt, Message
from converse_stream.outcome import Outcome
from converse_stream.prompts import Prompt
from converse_stream.providers.base import Provider, check_ending
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")

MAX_HELD = 4 * 1024 * 1024
"""Characters of state that may come before the first word."""


class Call:
    """One call. As a context manager it keeps a ProviderError in `error`, if it may be followed by another call."""

    def __init__(
        self, provider: Provider, prompt: Prompt, stream: PrismStream, *, spent: Decimal, earlier: Outcome
    ) -> None:
        self.provider = provider
        self.error: ProviderError | None = None
        """What went wrong."""
        self.cost: Decimal | None = None
        """Its price, known when it is over, if at all."""
        self.calls: dict[str, ToolCall] = {}
        """The tools it has called, by the calls' ids, without those that the provider has run itself."""
        self._prompt = prompt
        self._spent = spent
        self._earlier = earlier
        self._known = Outcome()
        self._stream = stream
        self._row: Attempt | None = None
        self._started = time.monotonic()
        self._first_content: float | None = None
        self._duration: float | None = None
        self._states: list[State] = []
        self._held = 0
        self._finish: Finish | None = None
        self._is_finished = False
        self._ignored = 0

    @property
    def amended(self) -> Prompt | None:
        """What to ask of the same provider instead, where it has refused what it was asked."""
        return None if self.error is None else self.provider.amended(self._prompt, self.error)

    @property
    def has_content(self) -> bool:
        """Whether anything has been said that belongs to the answer."""
        return self._first_content is not None

    @property
    def is_over(self) -> bool:
        """Whether it is known how the call went: it came to its ending, or it failed."""
        return self._is_finished or self.error is not None

    def begin(self) -> None:
        """Record that the provider is about to be called."""
        self._learn(Outcome(streamed=self._prompt.options.get("stream") is not False))
        message, model = self._stream.message, self._prompt.model
        self._row = Attempt.objects.create(message=message, provider=self.provider.name, model=model)
        self._started = time.monotonic()

    def deltas(self) -> AsyncGenerator[Item, None]:
        """Ask."""
        deltas = generator(self.provider.deltas(self._prompt))
        return deltas if self._known.streamed else joined(deltas)

    def take(self, item: Item) -> Content | None:
        """Return an item's content; keep what is no content but says something about the answer."""
        delta = to_delta(item)
        if self._finish is not None and not isinstance(delta, Served | Usage):
            self._ignored += 1
        elif isinstance(delta, ABOUT):
            self._finish = delta if isinstance(delta, Finish) else self._finish
            self._learn(delta)
        elif isinstance(delta, State):
            self._hold(delta)
        elif not isinstance(delta, Text | Reasoning) or delta.text:
            if not self.has_content:
                self._first_content = time.monotonic()
                self._keep_states()
            self._note(delta)
            return delta
        return None

    def _note(self, content: Content) -> None:
        if isinstance(content, ToolCall):
            self.calls[content.id] = content
        elif isinstance(content, ToolResult):
            self.calls.pop(content.id, None)

    def _learn(self, known: Outcome | Usage | Finish | Served) -> None:
        """Keep what is known of this call, and of the answer so far."""
        self._known = self._known.updated(known)
        self._stream.outcome = self._known.after(self._earlier)

    def finish(self) -> None:
        """Check that the answer has come to its proper ending. Raise Truncated or ServerError."""
        check_ending(self._finish)
        self._keep_states()
        self._is_finished = True
        if self._ignored:
            logger.warning("%s went on for %d deltas after its ending", self.provider.label, self._ignored)

    def end(self) -> None:
        """Record how the call went, once."""
        if self._row is None:
            return
        known = self._known
        outcome, code = self._ending()
        Attempt.objects.filter(pk=self._row.pk).update(
            outcome=outcome,
            error_code=code,
            served_model=known.model,
            time_to_first_delta=None if self._first_content is None else self._first_content - self._started,
            duration=self._duration,
            input_tokens=known.input_tokens,
            output_tokens=known.output_tokens,
            cached_tokens=known.cached_tokens,
            reasoning_tokens=known.reasoning_tokens,
            cost=self.cost,
            request_id=known.request_id,
        )
        self._row = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, ProviderError):
            self.error = error
            if not self._known.request_id:
                self._learn(Served(request_id=error.request_id))
        self._duration = time.monotonic() - self._started
        is_refused = self.error is not None and not self.has_content
        known = self._known
        self.cost = prices.cost(self.provider.vendor_url, (known.model, self._prompt.model), known)
        if self.cost is not None:
            self._learn(Outcome(cost=self._spent + self.cost))
        elif is_refused and self._spent:
            self._learn(Outcome(cost=self._spent))
        return is_refused

    def _hold(self, state: State) -> None:
        """Keep a state until it is clear that this call answers."""
        self._states.append(state)
        if self.has_content:
            self._keep_states()
            return
        self._held += len(dumps(clean_json(state.data)))
        if self._held > MAX_HELD:
            raise ProtocolError(f"more than {MAX_HELD} characters of state came before the first word")

    def _keep_states(self) -> None:
        for state in self._states:
            self._stream.keep(state, self.provider.label)
        self._states.clear()

    def _ending(self) -> tuple[str, str]:
        error = self.error or self._stream.error
        if error is not None:
            return Attempt.Outcome.FAILED, error.code
        if self._is_finished:
            return Attempt.Outcome.COMPLETE, ""
        message = self._stream.message
        status, code = message.status, message.error_code
        if self._stream.was_stopped:
            # Somebody else has ended it, and this instance may not know yet as what.
            rows = Message.objects.filter(pk=message.pk).values_list("status", "error_code")
            status, code = rows.first() or (Attempt.Outcome.CANCELLED, "")
        return status if status in Attempt.Outcome.values else Attempt.Outcome.RUNNING, code
