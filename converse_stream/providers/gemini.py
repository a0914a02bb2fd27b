"""Google's Gemini.

Source: https://ai.google.dev/gemini-api/docs/api-key (read 2026-11-21).
"""

from __future__ import annotations

from converse_stream.providers import keys
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.generate_content import GenerateContent
from converse_stream.providers.http import HTTPProvider


class Gemini(HTTPProvider):
    """Gemini, or with another `base_url` a server compatible with it."""

    base_url = CATALOGUE["gemini"].base_url
    key_environment = CATALOGUE["gemini"].key_environment
    default_model = CATALOGUE["gemini"].default_model
    apis = {"generate_content": GenerateContent}

    def authorization(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the header that carries the key: in an address it would end up in logs."""
        return {"x-goog-api-key": key}
