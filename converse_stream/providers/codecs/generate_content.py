"""generateContent, as Google's Gemini speaks it.

Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/thought-signatures and
recorded traffic (read 2026-11-21).
"""

from collections.abc import Iterator
from typing import Any

from converse_stream.events import Content, Data, Delta, Reasoning, State, Text, Usage
from converse_stream.exceptions import ProtocolError, Truncated
from converse_stream.outcome import FINISH_REASONS
from converse_stream.providers import errors
from converse_stream.providers.codecs.base import EventStreamDecoder
from converse_stream.providers.codecs.generate_content_request import GenerateContentRequest
from converse_stream.providers.codecs.sse import MAX_EVENT_BYTES, ServerSentEvent
from converse_stream.providers.codecs.tool_calls import tool_call
from converse_stream.providers.codecs.trail import Trail
from converse_stream.providers.codecs.values import at, count, is_shallow, items, mapping, name, parsed, text

_LONGEST_REASON = 80
_LONGEST_URL = 4000
_MOST_SOURCES = 1000
_COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount")
_TODAY = frozenset({"usageMetadata", "modelVersion", "responseId"})
"""What every answer since 2024 tells of itself."""
_DROPPED = frozenset({"inlineData", "fileData"})
"""Parts that are not sent back: images can be larger than all the rest of a conversation."""


class GenerateContentDecoder(EventStreamDecoder):
    """Text, thoughts and tool calls come as they arrive; sources, usage and Finish when the body is over.

    There is no last event: an answer is finished if a reason was given until the body ended. Only candidate 0 counts.
    """

    max_event_bytes = 8 * MAX_EVENT_BYTES  # a generated image comes in one event
    finish_reasons = {**FINISH_REASONS, "language": "error", "other": "error"}

    def __init__(self) -> None:
        super().__init__()
        self._trail = Trail()
        self._counts: dict[str, int] = {}
        self._sources: dict[str, Data] = {}
        self._raw_reason: str | None = None
        self._refused = False
        self._calls = 0
        self._is_rated = False
        self._is_of_today = False

    def _event(self, event: ServerSentEvent) -> Iterator[Delta]:
        payload = parsed(event.data)
        yield from self._chunk(mapping(payload))
        if event.event == "error" or errors.is_error(payload):
            raise errors.from_event(event.data if payload is None else payload)
        if not isinstance(payload, dict):
            raise ProtocolError(f"an event of {len(event.data)} characters is no JSON object")

    def _over(self) -> Iterator[Delta]:
        # The first servers told neither reason nor usage, and rated each piece instead.
        is_finished = self._raw_reason is not None or (self._is_rated and not self._is_of_today)
        if self._torn or not is_finished:
            raise Truncated("the answer ended without a finish reason")
        yield from self._ending()

    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from self._chunk(payload)
        if self._raw_reason is not None:
            yield from self._ending()

    def _chunk(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from self._serve(name(payload.get("modelVersion")), name(payload.get("responseId")))
        self._is_of_today = self._is_of_today or not _TODAY.isdisjoint(payload)
        told = {key: count(at(payload, "usageMetadata", key)) for key in _COUNTS}
        self._counts |= {key: tokens for key, tokens in told.items() if tokens is not None}
        blocked = name(at(payload, "promptFeedback", "blockReason"), _LONGEST_REASON)
        if blocked:
            self._raw_reason, self._refused = f"promptFeedback:{blocked}", True
        for candidate in items(payload.get("candidates")):
            if isinstance(candidate, dict) and not candidate.get("index"):
                yield from self._candidate(candidate)

    def _candidate(self, candidate: dict[str, Any]) -> Iterator[Delta]:
        for part in items(at(candidate, "content", "parts")):
            yield from self._part(mapping(part))
        self._is_rated = self._is_rated or "safetyRatings" in candidate
        self._raw_reason = name(candidate.get("finishReason"), _LONGEST_REASON) or self._raw_reason
        for source in _sources(candidate):
            if len(self._sources) < _MOST_SOURCES:
                self._sources.setdefault(source["url"], Data("citation", source))

    def _part(self, part: dict[str, Any]) -> Iterator[Delta]:
        if "functionCall" in part:
            yield from self._call(part)
        elif "text" in part:
            yield from self._said(part)
        elif part and _DROPPED.isdisjoint(part) and is_shallow(part):
            yield self._trail.state(part)
        self.begun = self.begun or bool(part.get("text")) or not part.keys() <= {"text", "thought"}

    def _call(self, part: dict[str, Any]) -> Iterator[Delta]:
        called = mapping(part["functionCall"])
        if not name(called.get("name")):
            return
        self._calls += 1
        seed = f"{self.served.request_id}:{self._calls}"
        call = tool_call(text(called.get("id")), text(called.get("name")), called.get("args"), seed=seed)
        yield self._given(call)
        if is_shallow(part):  # with its signature, and with the id that it has or has not
            yield State("tool_call", {"at": 0, "shown": 0, "blob": part})

    def _said(self, part: dict[str, Any]) -> Iterator[Delta]:
        said = text(part["text"])
        is_thought = part.get("thought") is True
        if said:
            yield self._given(Reasoning(said) if is_thought else Text(said))
        if part.get("thoughtSignature") and is_shallow(part):
            yield self._trail.state(part, shown=said, kind="reasoning" if is_thought else "text")

    def _given(self, content: Content) -> Content:
        self._trail.said(content)
        return content

    def _ending(self) -> Iterator[Delta]:
        yield from self._sources.values()
        self.usage = _usage(self._counts)
        yield from self._end(self._raw_reason or "", refused=self._refused)


def _sources(candidate: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the pages that an answer refers to: what a search has found, and what it recites."""
    for chunk in items(at(candidate, "groundingMetadata", "groundingChunks")):
        for page in mapping(chunk).values():
            if text(at(page, "uri")):
                yield _source(page)
    recited = mapping(candidate.get("citationMetadata"))
    for page in items(recited.get("citationSources")) + items(recited.get("citations")):
        if text(at(page, "uri")):
            yield _source(page)


def _source(page: dict[str, Any]) -> dict[str, str]:
    title = name(page.get("title"))
    return {"url": name(page["uri"], _LONGEST_URL), **({"title": title} if title else {})}


def _usage(counts: dict[str, int]) -> Usage | None:
    """Return the usage: Gemini counts thoughts beside the rest of the answer."""
    if not counts:
        return None
    prompt, said, thought, cached = (counts.get(key) for key in _COUNTS)
    output = None if said is None and thought is None else count((said or 0) + (thought or 0))
    return Usage(prompt, output, cached, thought)


class GenerateContent(GenerateContentRequest):
    """generateContent, as Gemini speaks it."""

    decoder = GenerateContentDecoder
