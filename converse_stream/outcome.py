"""Outcome: what a provider says of an answer besides its text, read from any of the usual response objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from converse_stream.cleaning import clean_text
from converse_stream.events import Finish, Served, Usage
from converse_stream.shapes import first as _first
from converse_stream.shapes import get as _get
from converse_stream.shapes import listed as _items
from converse_stream.shapes import text as _text

_WORDS = {
    "stop": ("stop", "end_turn", "stop_sequence", "pause_turn", "completed"),
    "length": (
        *("length", "max_tokens", "model_length", "model_context_window_exceeded"),
        *("incomplete", "incomplete:max_output_tokens"),
    ),
    "tool_calls": ("tool_calls", "toolcalls", "tool-calls", "tool_use", "function_call"),
    "content_filter": (
        *("content_filter", "contentfilter", "content-filter", "incomplete:content_filter", "refusal"),
        *("safety", "recitation", "blocklist", "prohibited_content", "spii", "model_armor"),
        *("image_safety", "image_prohibited_content", "image_recitation"),
    ),
    "error": (
        *("error", "failed", "insufficient_system_resource", "aborted"),
        *("malformed_function_call", "unexpected_tool_call", "too_many_tool_calls", "malformed_response"),
        *("missing_thought_signature", "image_other", "no_image"),
    ),
    "cancelled": ("cancelled",),
}
FINISH_REASONS = {word: reason for reason, words in _WORDS.items() for word in words}
"""Our finish reason for what providers and response objects say, in lower case. Any other word means stop."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of an answer; empty or None for what is not."""

    model: str = ""
    request_id: str = ""
    finish_reason: str = ""
    finish_reason_raw: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: Decimal | None = None
    """In US dollars."""
    streamed: bool | None = None
    """Whether the provider was asked for a stream."""
    cached: bool | None = None
    """Whether the answer comes from the cache."""

    def updated(self, other: Outcome | Usage | Finish | Served) -> Outcome:
        """Return this outcome with what `other` knows; None and empty values overwrite nothing."""
        if isinstance(other, Finish):
            other = Outcome(finish_reason=other.reason, finish_reason_raw=other.raw)
        told = asdict(other)
        if isinstance(other, Outcome):
            told["finish_reason"] = normal_reason(other.finish_reason)
            if told["finish_reason"] != other.finish_reason:
                told["finish_reason_raw"] = other.finish_reason_raw or other.finish_reason
        sound = {name: _sound(name, value) for name, value in told.items()}
        return replace(self, **{name: value for name, value in sound.items() if value not in (None, "")})

    def after(self, earlier: Outcome) -> Outcome:
        """Return this outcome, of a further step of the same answer, with the tokens of the earlier steps."""
        told = {name: (getattr(earlier, name), getattr(self, name)) for name in _COUNTS}
        return replace(
            self, **{name: before if now is None else (before or 0) + now for name, (before, now) in told.items()}
        )

    def columns(self) -> dict[str, Any]:
        """Return what is known, by the names of a message's columns (and `request_id`, `streamed` and `cached`)."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_LENGTHS = {"model": 200, "request_id": 200, "finish_reason": 16, "finish_reason_raw": 100}
_CALLS = frozenset({"function_call", "custom_tool_call", "tool_use"})
"""The types of what calls a tool in an answer of OpenAI's Responses or of Anthropic."""
_KINDS: Mapping[str, type] = {"cost": Decimal, "streamed": bool, "cached": bool}
_LARGEST_COUNT = 2**31 - 1


def _sound(name: str, value: Any) -> Any:
    """Return a value as its column can hold it; None for one that cannot be meant."""
    if name in _LENGTHS:
        return clean_text(value)[: _LENGTHS[name]] if isinstance(value, str) else None
    if name in _KINDS:
        return value if isinstance(value, _KINDS[name]) else None
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT
    return value if is_count else None


def read_outcome(response: object) -> Outcome:
    """Return the outcome told by an Outcome, a mapping, or an object shaped like OpenAI's or Anthropic's responses."""
    if response is None:
        return Outcome()
    if isinstance(response, Outcome):
        return response
    raw = _raw_reason(response)
    usage = read_usage(_get(response, "usage") or (response if isinstance(response, Mapping) else None))
    return Outcome(
        model=_text(_get(response, "model")),
        request_id=_text(_get(response, "request_id", "provider_request_id", "_request_id", "id")),
        finish_reason=_meant(normal_reason(raw), response),
        finish_reason_raw=raw,
    ).updated(usage)


def normal_reason(raw: object) -> str:
    """Return our finish reason for a provider's; `stop` for one nobody knows, as the answer did end."""
    word = _text(raw).lower()
    known = FINISH_REASONS.get(word) or FINISH_REASONS.get(word.partition(":")[0])
    return known or ("stop" if word else "")


def read_usage(usage: object) -> Usage:
    """Return the token counts of a Usage, a mapping or an object, under OpenAI's, Anthropic's or our own names."""
    if isinstance(usage, Usage):
        return usage
    details = _get(usage, "prompt_tokens_details", "input_tokens_details")
    output_details = _get(usage, "completion_tokens_details", "output_tokens_details")
    cached = _get(usage, "cached_tokens", "cache_read_input_tokens")
    reasoning = _get(usage, "reasoning_tokens")
    return Usage(
        input_tokens=_whole_prompt(usage),
        output_tokens=_get(usage, "output_tokens", "completion_tokens"),
        cached_tokens=_get(details, "cached_tokens") if cached is None else cached,
        reasoning_tokens=_get(output_details, "reasoning_tokens", "thinking_tokens")
        if reasoning is None
        else reasoning,
    )


def _whole_prompt(usage: object) -> int | None:
    whole = _get(usage, "prompt_tokens")
    count: int | None = _sound("input_tokens", _get(usage, "input_tokens") if whole is None else whole)
    if whole is not None or count is None:
        return count
    # Anthropic counts what it read from or wrote to the cache beside the rest of the prompt.
    beside = (_get(usage, name) for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
    return count + sum(_sound("input_tokens", tokens) or 0 for tokens in beside)


def _raw_reason(response: object) -> str:
    """Return the word for the ending: of OpenAI's Responses, as `status` or `status:reason`."""
    choice = _first(_get(response, "choices"))
    word = _text(_get(choice, "finish_reason")) or _text(_get(response, "finish_reason", "stop_reason"))
    if word or not isinstance(_get(response, "output"), list | tuple):
        return word
    status, why = _text(_get(response, "status")), _text(_get(_get(response, "incomplete_details"), "reason"))
    return f"{status}:{why}" if status == "incomplete" and why else status


def _meant(reason: str, response: object) -> str:
    """Return the finish reason, which for a stop lies in what the answer holds: a tool call, or a refusal."""
    if reason != "stop":
        return reason
    message = _get(_first(_get(response, "choices")), "message")
    items = [*_items(_get(response, "output")), *_items(_get(response, "content"))]
    kinds = {_text(_get(item, "type")) for item in items}
    if _CALLS & kinds or _items(_get(message, "tool_calls")):
        return "tool_calls"
    parts = {_text(_get(part, "type")) for item in items for part in _items(_get(item, "content"))}
    return "content_filter" if "refusal" in parts or _text(_get(message, "refusal")) else reason
