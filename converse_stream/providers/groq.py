"""Groq: open models on its own hardware.

Source: https://console.groq.com/docs/api-reference and https://console.groq.com/docs/reasoning (read 2026-11-21), and
recorded traffic. Its usage lies in `x_groq` unless it is asked for; the decoder of Chat Completions takes either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converse_stream.events import Delta
from converse_stream.providers import errors
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat, ChatDecoder
from converse_stream.providers.codecs.responses import Responses
from converse_stream.providers.codecs.values import at, text
from converse_stream.providers.http import HTTPProvider


class GroqDecoder(ChatDecoder):
    """Chat Completions that may be stopped early by a word in `x_groq`."""

    def _chunk(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from super()._chunk(payload)
        if stopped := text(at(payload, "x_groq", "error")):
            raise errors.from_event({"error": stopped})


class GroqChat(Chat):
    """Chat Completions, with thinking apart from the text."""

    decoder = GroqDecoder
    reasoning_options = frozenset({"reasoning_effort", "reasoning_format", "include_reasoning"})

    def reasoning(self, wanted: bool | str | Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return how a model is asked to think, and for its thoughts in a field of their own, not in the text."""
        if isinstance(wanted, Mapping):
            asked = super().reasoning(wanted, model)
            # Of the two switches it takes one: the caller's.
            other = {"include_reasoning": "reasoning_format", "reasoning_format": "include_reasoning"}
            return {name: value for name, value in asked.items() if name in wanted or other.get(name) not in wanted}
        # gpt-oss knows another switch than the others, which refuse this one.
        is_oss = "gpt-oss" in model
        if not wanted:
            return {"include_reasoning": False} if is_oss else {"reasoning_effort": "none"}
        effort = {"reasoning_effort": wanted} if isinstance(wanted, str) else {}
        return effort | ({"include_reasoning": True} if is_oss else {"reasoning_format": "parsed"})


class GroqResponses(Responses):
    """Responses, of which it stores nothing anyway."""

    def unstored(self, model: str) -> dict[str, Any]:
        """Return nothing: it has no word for it."""
        return {}


class Groq(HTTPProvider):
    """Groq."""

    base_url = CATALOGUE["groq"].base_url
    key_environment = CATALOGUE["groq"].key_environment
    default_model = CATALOGUE["groq"].default_model
    apis = {"chat": GroqChat, "responses": GroqResponses}
