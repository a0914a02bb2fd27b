"""How long to wait for a provider."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any, Self

from converse_stream.exceptions import ProviderTimeout


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a provider, in seconds; None for as long as it takes."""

    connect: float | None = 10.0
    """For the connection, or for room to make one."""
    idle: float | None = 60.0
    """Between two reads; keep-alive comments are activity."""
    first_token: float | None = 60.0
    """From the request to the first text, reasoning or tool call."""
    total: float | None = 3600.0
    """From the request to the end of the answer: no sane one takes as long, but every one has to end."""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Return the timeouts of a provider's config. Raise ValueError for unknown names and impossible values."""
        known = [field.name for field in fields(cls)]
        for name, seconds in given.items():
            if name not in known:
                raise ValueError(f"unknown timeout {name!r}; known are {', '.join(known)}")
            if seconds is not None and not _is_duration(seconds):
                raise ValueError(f"the timeout {name!r} must be a number of seconds above 0 or None, not {seconds!r}")
        return cls(**given)


def _is_duration(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0


class Deadlines:
    """The moments at which an answer is too late, counted from now on the running event loop's clock."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._clock = asyncio.get_running_loop().time
        self._first_token = self._after(timeouts.first_token)
        self._total = self._after(timeouts.total)

    def begun(self) -> None:
        """Say that the first token has arrived, so that its deadline no longer counts."""
        self._first_token = None

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Raise ProviderTimeout inside when a deadline passes. Never hold it over a yield: it cancels its task."""
        named = ((self._first_token, "begun"), (self._total, "finished"))
        when, what = min(((at, what) for at, what in named if at is not None), default=(None, ""))
        try:
            async with asyncio.timeout_at(when):
                yield
        except TimeoutError as error:
            raise ProviderTimeout(f"the answer had not {what} at its deadline") from error

    def _after(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._clock() + seconds
