"""OpenAI, over Responses or Chat Completions, and every other server that speaks one of these."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat
from converse_stream.providers.codecs.responses import Responses
from converse_stream.providers.http import HTTPProvider

_WITHOUT_REASONING = re.compile(r"(^|[/:])(gpt-[34]|chatgpt-)|-chat(-|$)")
"""OpenAI's models that do not reason, whichever gateway's or tuner's name stands before theirs (as of 2026-11)."""


class ChatCompletions(HTTPProvider):
    """A server that speaks Chat Completions, known by its `base_url`; it may speak Responses too."""

    apis = {"chat": Chat, "responses": Responses}


class OpenAIChat(Chat):
    """Chat Completions as OpenAI itself wants it: its newer models refuse `max_tokens`, which gateways may need."""

    @property
    def max_tokens_name(self) -> str:
        """The name of the limit."""
        return "max_completion_tokens" if _is_openai(self.base_url) else "max_tokens"


class OpenAIResponses(Responses):
    """Responses as OpenAI itself wants it: models that do not reason refuse to be asked for their reasoning."""

    def unstored(self, model: str) -> dict[str, Any]:
        """Return what has the server store nothing, and hand out the model's reasoning, encrypted, instead."""
        asked = super().unstored(model)
        return {"store": asked["store"]} if _WITHOUT_REASONING.search(model) else asked


class OpenAI(HTTPProvider):
    """OpenAI, or with another `base_url` a gateway to it."""

    config_keys = HTTPProvider.config_keys | {"organization", "project"}
    header_keys = {"organization": "openai-organization", "project": "openai-project"}
    base_url = CATALOGUE["openai"].base_url
    key_environment = CATALOGUE["openai"].key_environment
    default_model = CATALOGUE["openai"].default_model
    apis = {"responses": OpenAIResponses, "chat": OpenAIChat}

    @property
    def is_own_server(self) -> bool:
        """Whether requests go to OpenAI itself, in any of its regions."""
        return _is_openai(self._base_url)

    def default_api(self) -> str:
        """Return Responses for OpenAI itself, whose newer models need it; what every gateway speaks is the other."""
        return "responses" if self.is_own_server else "chat"


def _is_openai(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")
