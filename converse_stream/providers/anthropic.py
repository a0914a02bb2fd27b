"""Anthropic, and every server that speaks its Messages format.

Source: https://platform.claude.com/docs/en/api/overview and
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking (read 2026-11-21).
"""

from __future__ import annotations

import re
from dataclasses import replace

from converse_stream.exceptions import BadRequest, ProviderError
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

    def amended(self, prompt: Prompt, error: ProviderError) -> Prompt | None:
        """Return the prompt without thinking, where that was refused.

        Thinking is taken back only with exactly what was before it. Where that has changed (another system prompt,
        other tools, a shorter history, a key of another account), it is left out.
        """
        bare = without_thinking(prompt.messages)
        if bare == prompt.messages or not isinstance(error, BadRequest) or not _REFUSED_THINKING.search(str(error)):
            return None
        return replace(prompt, messages=bare)

    def headers(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the request's headers, with the version of the format."""
        return {"anthropic-version": keys.Secret(_VERSION)} | super().headers(key)

    def authorization(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the header that carries the key."""
        return {"x-api-key": key}
