"""OpenRouter: one address for the models of many providers, with the quirks of all of them.

Source: https://openrouter.ai/docs/api-reference and https://openrouter.ai/docs/use-cases/reasoning-tokens (read
2026-11-21), and recorded traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converse_stream.events import Delta, State, Text, dumps
from converse_stream.exceptions import ProtocolError
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat, ChatDecoder
from converse_stream.providers.codecs.chat_request import Step
from converse_stream.providers.codecs.parts import address
from converse_stream.providers.codecs.responses import Responses
from converse_stream.providers.codecs.values import is_shallow, items, text
from converse_stream.providers.http import HTTPProvider

MAX_CHARS = 4 * 1024 * 1024
"""How long the reasoning details of an answer may be together."""
_GROWING = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""The field in which a detail of this type grows, by type."""


class Details:
    """Reasoning details, put together from the fragments in which they were streamed.

    A model wants them back as they would have come in one piece: with signatures, summaries and encrypted blobs.
    """

    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []
        self._growing: list[str] = []
        self._size = 0

    def add(self, fragments: object) -> None:
        """Add a list of fragments. Raise ProtocolError when they grow past all measure."""
        for fragment in items(fragments):
            if not isinstance(fragment, dict) or not is_shallow(fragment):
                continue
            self._size += len(dumps(fragment))
            if self._size > MAX_CHARS:
                raise ProtocolError(f"the reasoning details are longer than {MAX_CHARS} characters")
            self._add(fragment)

    def take(self) -> list[dict[str, Any]]:
        """Return the details so far, and forget them."""
        self._close()
        details, self._details = self._details, []
        return details

    def _add(self, fragment: dict[str, Any]) -> None:
        field = _GROWING.get(text(fragment.get("type")))
        if not (field and self._continues(fragment)):
            self._close()
            self._details.append({})
        if field and text(fragment.get(field)):
            self._growing.append(fragment[field])
        self._details[-1] |= {key: value for key, value in fragment.items() if value is not None}

    def _continues(self, fragment: dict[str, Any]) -> bool:
        last = self._details[-1] if self._details else {}
        is_open = fragment.get("index") is not None and not last.get("signature")
        return is_open and all(last.get(key) == fragment.get(key) for key in ("type", "index"))

    def _close(self) -> None:
        if self._growing:
            last = self._details[-1]
            last[_GROWING[last["type"]]] = "".join(self._growing)
            self._growing = []


class OpenRouterDecoder(ChatDecoder):
    """Chat Completions with each thought twice: as text to show, and as details to send back."""

    def __init__(self) -> None:
        super().__init__()
        self._details = Details()

    def _said(self, delta: dict[str, Any]) -> Iterator[Delta]:
        self._details.add(delta.get("reasoning_details"))
        for content in super()._said(delta):
            if isinstance(content, Text):
                yield from self._state()
            yield content

    def _ending(self) -> Iterator[Delta]:
        yield from self._state()
        yield from super()._ending()

    def _state(self) -> Iterator[State]:
        details = self._details.take()
        if details:
            yield State("reasoning", details)


class OpenRouterChat(Chat):
    """Chat Completions, with one way to ask for reasoning whoever answers."""

    decoder = OpenRouterDecoder
    reasoning_options = None

    def reasoning(self, wanted: bool | str | Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return how a model is asked to think; a mapping is the value of `reasoning`."""
        if isinstance(wanted, bool):
            return {"reasoning": {"enabled": wanted}}
        return {"reasoning": {"effort": wanted} if isinstance(wanted, str) else dict(wanted)}

    def kept(self, step: Step, *, with_tools: bool) -> dict[str, Any]:
        """Return the reasoning details of a step."""
        details = Details()
        for part in step.reasoning:
            for state in part.get("state", ()):
                details.add(state)
        found = details.take()
        return {"reasoning_details": found} if found else {}

    def file(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return a file as a part of a message."""
        if part["media_type"] == "application/pdf":
            file = {"filename": part.get("name") or "document.pdf", "file_data": address(part)}
            return {"type": "file", "file": file}
        return super().file(part)


class OpenRouter(HTTPProvider):
    """OpenRouter. `referer` and `title` of the config tell it which site asks."""

    config_keys = HTTPProvider.config_keys | {"referer", "title"}
    header_keys = {"referer": "http-referer", "title": "x-title"}
    base_url = CATALOGUE["openrouter"].base_url
    key_environment = CATALOGUE["openrouter"].key_environment
    default_model = CATALOGUE["openrouter"].default_model
    apis = {"chat": OpenRouterChat, "responses": Responses}
