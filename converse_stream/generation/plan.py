"""Plan: whom to ask next after a call that failed with nothing said, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from converse_stream.conf import settings
from converse_stream.exceptions import ContentFiltered, ProviderError
from converse_stream.providers.base import NOT_ABOUT_STREAMING, Provider

FIRST_PAUSE = 0.5
"""Seconds before the first retry where the provider names none; each further one doubles them."""
LONGEST_WAIT = 30.0
"""Seconds that one answer waits between its calls, all of them together."""
PATIENCE = 90.0
"""Seconds after the beginning of an answer from which on no provider is asked a second time."""


class Plan:
    """Each provider is asked again, up to `RETRIES` times, after an error that may pass; then the next one."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        first, *others = providers
        self.provider = first
        """Whom to ask."""
        self._others = others
        self._began = time.monotonic()
        self._waited = 0.0
        self._retries = 0
        self._gave_up_streaming = False

    @property
    def stream_option(self) -> bool | None:
        """Whether to ask for a stream, where the option is `"prefer"`: None where it says so itself."""
        return not self._gave_up_streaming if self._prefers_streaming else None

    @property
    def _prefers_streaming(self) -> bool:
        return self.provider.options.get("stream") == "prefer"

    def go_on(self, error: ProviderError) -> float | None:
        """Choose the next call. Return the seconds to wait before it, or None if there is none."""
        pause = self._pause(error)
        is_in_time = self._waited + pause <= LONGEST_WAIT and time.monotonic() + pause < self._began + PATIENCE
        if is_in_time and self._try_again(error):
            self._waited += pause
            self._retries += 1
            # With jitter, so that those who were refused together do not come back together.
            return pause * (random.uniform(0.5, 1.0) if error.retry_after is None else random.uniform(1.0, 1.1))
        # What one provider's filter has refused is not carried to another, who might not look.
        if not self._others or isinstance(error, ContentFiltered):
            return None
        self.provider = self._others.pop(0)
        self._retries, self._gave_up_streaming = 0, False
        return 0.0

    def next_step(self) -> None:
        """Begin anew with whoever has answered: a further step has retries and patience of its own."""
        self._began, self._waited, self._retries = time.monotonic(), 0.0, 0

    def _try_again(self, error: ProviderError) -> bool:
        if self._prefers_streaming and not self._gave_up_streaming and error.code not in NOT_ABOUT_STREAMING:
            self._gave_up_streaming = True
            return True
        return error.retryable and self._retries < settings.RETRIES

    def _pause(self, error: ProviderError) -> float:
        if not error.retryable:
            return 0.0
        return FIRST_PAUSE * float(2**self._retries) if error.retry_after is None else error.retry_after
