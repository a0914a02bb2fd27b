"""DeepSeek, which wants its own thoughts back when tools are in play.

Source: https://api-docs.deepseek.com/guides/thinking_mode (read 2026-11-21), and recorded traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converse_stream.events import Delta, Reasoning, State, Text
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat, ChatDecoder
from converse_stream.providers.codecs.chat_request import Step
from converse_stream.providers.codecs.responses import Responses
from converse_stream.providers.http import HTTPProvider

OWN = "reasoning_content"
"""The state that marks reasoning as this model's own: the text itself is stored already."""


class DeepSeekDecoder(ChatDecoder):
    """Chat Completions whose reasoning is marked as the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self._is_thinking = False

    def _said(self, delta: dict[str, Any]) -> Iterator[Delta]:
        for content in super()._said(delta):
            if isinstance(content, Text):
                yield from self._mark()
            self._is_thinking = isinstance(content, Reasoning)
            yield content

    def _ending(self) -> Iterator[Delta]:
        yield from self._mark()
        yield from super()._ending()

    def _mark(self) -> Iterator[State]:
        if self._is_thinking:
            yield State("reasoning", OWN)


class DeepSeekChat(Chat):
    """Chat Completions. Once tools are in play, every answer has to carry its thoughts, or the request is refused."""

    decoder = DeepSeekDecoder
    reasoning_options = frozenset({"reasoning_effort", "thinking"})

    def reasoning(self, wanted: bool | str | Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return how a model is asked to think."""
        if isinstance(wanted, bool):
            return {"thinking": {"type": "enabled" if wanted else "disabled"}}
        return super().reasoning(wanted, model)

    def kept(self, step: Step, *, with_tools: bool) -> dict[str, Any]:
        """Return the thoughts of a step; empty where another model took it, or it had none."""
        own = "".join(part["text"] for part in step.reasoning if OWN in part.get("state", ()))
        return {"reasoning_content": own} if with_tools else {}


class DeepSeekResponses(Responses):
    """Responses, of which it stores nothing anyway."""

    def unstored(self, model: str) -> dict[str, Any]:
        """Return nothing: it has no word for it."""
        return {}


class DeepSeek(HTTPProvider):
    """DeepSeek."""

    # It knows a JSON mode, and no schemas: https://api-docs.deepseek.com/guides/json_mode
    supports_schema = False
    base_url = CATALOGUE["deepseek"].base_url
    key_environment = CATALOGUE["deepseek"].key_environment
    default_model = CATALOGUE["deepseek"].default_model
    apis = {"chat": DeepSeekChat, "responses": DeepSeekResponses}
