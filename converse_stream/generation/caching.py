"""Caching: the same question to the same model, asked by the same owner, is answered from Django's cache."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.cache import caches

from converse_stream.conf import settings
from converse_stream.events import TEXT_KINDS, Content, Data, Reasoning, State, Text
from converse_stream.models import Conversation
from converse_stream.outcome import Outcome
from converse_stream.prompts import Prompt
from converse_stream.providers.base import Provider
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")

_VERSION = 1
_KEPT = TEXT_KINDS | {"data"}
"""What an answer may hold that is kept: running a tool is no text to be said again."""
_PIECE = re.compile(r"\S*\s*", re.DOTALL)


class CachedAnswer:
    """One answer's place in the cache: by provider, model, options, messages and owner."""

    def __init__(self, conversation: Conversation, provider: Provider, prompt: Prompt, seconds: float) -> None:
        self._seconds = seconds
        asked = [
            [_VERSION, conversation.owner_id, conversation.subject_type_id, conversation.subject_id],
            [provider.label, str(provider.config.get("base_url") or ""), prompt.options],
            [[message.role, list(message.parts)] for message in prompt.messages],
        ]
        text = json.dumps(asked, sort_keys=True, default=repr)
        self._key = f"converse_stream:answer:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def find(self) -> dict[str, Any] | None:
        """Return the answer that is kept, if there is one. A cache that does not work has none."""
        try:
            found = caches[settings.CACHE].get(self._key)
        except Exception:
            # Whatever a cache raises of its own: the question is answered without it.
            logger.warning("the cache of answers could not be read", exc_info=True)
            return None
        return found if isinstance(found, dict) else None

    def keep(self, parts: Sequence[Mapping[str, Any]], outcome: Outcome) -> None:
        """Keep an answer that has come to its proper end and has run no tools."""
        is_whole = outcome.finish_reason == "stop" and any(part["type"] == "text" for part in parts)
        if not is_whole or not _KEPT.issuperset(part["type"] for part in parts):
            return
        answer = {"parts": list(parts), "model": outcome.model, "raw": outcome.finish_reason_raw}
        try:
            caches[settings.CACHE].set(self._key, answer, self._seconds)
        except Exception:
            logger.warning("an answer could not be kept in the cache", exc_info=True)


def replay(answer: Mapping[str, Any], stream: PrismStream) -> Iterator[Content]:
    """Yield an answer that was kept, word by word, and tell the stream all that is known of it: it costs nothing."""
    for part in answer["parts"]:
        yield from _contents(part)
        for state in part.get("state", ()):
            stream.keep(State(part["type"], state["data"]), state["by"])
    known = {"model": answer["model"], "finish_reason": "stop", "finish_reason_raw": answer["raw"]}
    stream.learn(Outcome(**known, input_tokens=0, output_tokens=0, cost=Decimal(0), cached=True))


def _contents(part: Mapping[str, Any]) -> Iterator[Content]:
    if part["type"] == "data":
        yield Data(part["name"], part["value"])
        return
    kind = Text if part["type"] == "text" else Reasoning
    for word in _PIECE.findall(part["text"]):
        if word:
            yield kind(word)
