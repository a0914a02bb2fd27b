"""xAI: its Grok models, over Responses or Chat Completions.

Source: https://docs.x.ai/docs/api-reference (read 2026-11-21), and recorded traffic.
"""

from __future__ import annotations

from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat, ChatDecoder
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
    apis = {"chat": XAIChat}
