"""Mistral, whose Chat Completions are stricter than others.

Source: https://docs.mistral.ai/api/endpoint/chat (read 2026-11-21), and recorded traffic.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from converse_stream.prompts import Prompt
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat
from converse_stream.providers.codecs.parts import address
from converse_stream.providers.http import HTTPProvider

_ID = re.compile("[a-zA-Z0-9]{9}")


class MistralChat(Chat):
    """Chat Completions. Unknown fields are refused, and usage comes without being asked for."""

    include_usage = False
    option_names = {"seed": "random_seed"}
    reasoning_options = frozenset({"reasoning_effort", "prompt_mode"})

    def messages(self, prompt: Prompt) -> list[dict[str, Any]]:
        """Return the messages of a prompt."""
        # An answer that failed may end with a tool's message; one of a user right after it is refused.
        sent: list[dict[str, Any]] = []
        for message in super().messages(prompt):
            if message["role"] == "user" and sent and sent[-1]["role"] == "tool":
                sent.append({"role": "assistant", "content": "OK."})
            sent.append(message)
        return sent

    def reasoning(self, wanted: bool | str | Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return how a model is asked to think; it knows none and high."""
        return {"reasoning_effort": "high"} if wanted is True else super().reasoning(wanted, model)

    def tool_choice(self, choice: str | Mapping[str, Any]) -> Any:
        """Return which tools may be called, or must be."""
        return "any" if choice == "required" else super().tool_choice(choice)

    def call_id(self, id: str) -> str:
        """Return an id of nine letters and digits; those of other providers would be refused."""
        return id if _ID.fullmatch(id) else hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:9]

    def file(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return an image or a document as a part of a message."""
        if part["media_type"] == "application/pdf":
            return {"type": "document_url", "document_url": address(part)}
        return super().file(part)


class Mistral(HTTPProvider):
    """Mistral."""

    base_url = CATALOGUE["mistral"].base_url
    key_environment = CATALOGUE["mistral"].key_environment
    default_model = CATALOGUE["mistral"].default_model
    apis = {"chat": MistralChat}
