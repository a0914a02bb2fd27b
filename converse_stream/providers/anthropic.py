"""Anthropic, and every server that speaks its Messages format.

Source: https://platform.claude.com/docs/en/api/overview and
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking (read 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from converse_stream.events import Delta
from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt
from converse_stream.providers import keys
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.messages import Messages
from converse_stream.providers.codecs.messages_request import without_thinking
from converse_stream.providers.http import HTTPProvider

_VERSION = "2023-06-01"
_REFUSED_THINKING = re.compile("`(redacted_)?thinking`.* block")


class Anthropic(HTTPProvider):
    """Anthropic, or with another `base_url` a server compatible with it."""

    base_url = CATALOGUE["anthropic"].base_url
    key_environment = CATALOGUE["anthropic"].key_environment
    default_model = CATALOGUE["anthropic"].default_model
    apis = {"messages": Messages}

    def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the answer as it arrives; see Provider.deltas.

        Thinking is taken back only with exactly what was before it. Where that has changed (another system prompt,
        other tools, a shorter history, a key of another account), it is left out.
        """
        bare = without_thinking(prompt.messages)
        if bare == prompt.messages:
            return super().deltas(prompt)
        return self._first_that_is_taken(prompt, replace(prompt, messages=bare))

    async def _first_that_is_taken(self, prompt: Prompt, bare: Prompt) -> AsyncIterator[Delta]:
        try:
            async with aclosing(self._asked(prompt)) as deltas:
                async for delta in deltas:
                    yield delta
                return
        except BadRequest as error:
            if not _REFUSED_THINKING.search(str(error)):
                raise
        async with aclosing(self._asked(bare)) as deltas:
            async for delta in deltas:
                yield delta

    def _asked(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        return cast("AsyncGenerator[Delta, None]", super().deltas(prompt))

    def headers(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the request's headers, with the version of the format."""
        return {"anthropic-version": keys.Secret(_VERSION)} | super().headers(key)

    def authorization(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the header that carries the key."""
        return {"x-api-key": key}
