"""The metadata that every ended message carries, under the names people know from earlier systems."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from converse_stream.exceptions import BY_CODE, ProviderError
from converse_stream.models.choices import Status
from converse_stream.models.message import Message

RESERVED = frozenset(
    {
        "streamed",
        "chunks",
        "stream_chunks",
        "chunks_received",
        "stream_duration",
        "stream_duration_ms",
        "stream_started_at",
        "stream_completed_at",
        "stream_failed_at",
        "first_token_ms",
        "model",
        "provider",
        "provider_request_id",
        "finish_reason",
        "finish_reason_raw",
        "tokens",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "steps",
        "tool_calls",
        "error",
        "error_type",
    }
)
"""Written by the package only: a caller's metadata may not use them."""

MARKS = frozenset({"cached", "crew", "crew_tasks", "fallback_text", "resumes", "schema", "template", "tools"})
"""Written by the package only, where there is something to say: the template a prompt was made of, for instance."""


def figures(message: Message, *, request_id: str = "", streamed: bool = True, cached: bool = False) -> dict[str, Any]:
    """Return the reserved metadata of an ended message, from its columns and parts."""
    first, started = message.first_delta_at, message.started_at
    finished = message.finished_at.isoformat() if message.finished_at else None
    ended = "stream_failed_at" if message.status == Status.FAILED else "stream_completed_at"
    known = [count for count in (message.input_tokens, message.output_tokens) if count is not None]
    kinds = [part["type"] for part in message.parts]
    return {
        "streamed": streamed,
        "chunks": message.delta_count,
        "stream_chunks": message.delta_count,
        "chunks_received": message.delta_count,
        "stream_duration": message.duration,
        "stream_duration_ms": None if message.duration is None else round(message.duration * 1000),
        "stream_started_at": started.isoformat() if started else None,
        ended: finished,
        "first_token_ms": round((first - started).total_seconds() * 1000) if first and started else None,
        "model": message.model,
        "provider": message.provider,
        "provider_request_id": request_id or None,
        "finish_reason": message.finish_reason,
        "finish_reason_raw": message.finish_reason_raw,
        "tokens": sum(known) if known else None,
        "prompt_tokens": message.input_tokens,
        "completion_tokens": message.output_tokens,
        "cached_tokens": message.cached_tokens,
        "reasoning_tokens": message.reasoning_tokens,
        "steps": 1 + sum(kind == "tool_result" != after for kind, after in pairwise([*kinds, ""])),
        "tool_calls": kinds.count("tool_call"),
        "error": message.error_message or None,
        **({"cached": True} if cached else {}),
        **({"error_type": _error_type(message.error_code)} if message.status == Status.FAILED else {}),
    }


def _error_type(code: str) -> str:
    """Return `api_error` for what a provider, or the way to it, did wrong, `general_error` for the rest."""
    return "api_error" if issubclass(BY_CODE.get(code, Exception), ProviderError) else "general_error"
