"""OpenAI, and every server that speaks its Chat Completions format."""

from __future__ import annotations

from urllib.parse import urlsplit

from converse_stream.providers import keys
from converse_stream.providers.codecs.chat import Chat
from converse_stream.providers.http import HTTPProvider, checked_headers


class ChatCompletions(HTTPProvider):
    """A server that speaks Chat Completions, known by its `base_url`."""

    apis = {"chat": Chat}


class OpenAIChat(Chat):
    """Chat Completions as OpenAI itself wants it: its newer models refuse `max_tokens`, which gateways may need."""

    @property
    def max_tokens_name(self) -> str:
        """The name of the limit."""
        return "max_completion_tokens" if urlsplit(self.base_url).hostname == "api.openai.com" else "max_tokens"


class OpenAI(HTTPProvider):
    """OpenAI, or with another `base_url` a gateway to it."""

    config_keys = HTTPProvider.config_keys | {"organization", "project"}
    base_url = "https://api.openai.com/v1"
    key_environment = "OPENAI_API_KEY"
    default_model = "gpt-6-luna"  # as of 2026-11
    apis = {"chat": OpenAIChat}

    def headers(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the request's headers, with the organization and project that pay for it."""
        named = {"openai-organization": self.config.get("organization"), "openai-project": self.config.get("project")}
        return super().headers(key) | checked_headers({name: value for name, value in named.items() if value})
