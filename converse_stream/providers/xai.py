"""xAI: its Grok models, over Responses or Chat Completions.

Source: https://docs.x.ai/docs/api-reference (read 2026-11-21), and recorded traffic.
"""

from __future__ import annotations

from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat, ChatDecoder
from converse_stream.providers.codecs.responses import Responses
from converse_stream.providers.http import HTTPProvider


class XAIDecoder(ChatDecoder):
    """Unlike all others it counts reasoning tokens beside the completion tokens, not within them."""

    reasoning_tokens_outside = True


class XAIChat(Chat):
    """Chat Completions, which xAI itself calls its legacy."""

    decoder = XAIDecoder


class XAI(HTTPProvider):
    """xAI."""

    base_url = CATALOGUE["xai"].base_url
    key_environment = CATALOGUE["xai"].key_environment
    default_model = CATALOGUE["xai"].default_model
    apis = {"responses": Responses, "chat": XAIChat}

    def default_api(self) -> str:
        """Return Responses for xAI itself; what else answers to it can be counted on to know Chat Completions."""
        return "responses" if self.is_own_server else "chat"
