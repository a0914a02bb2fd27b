"""What a viewer may know of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converse_stream.conf import settings
from converse_stream.events import text_of, width
from converse_stream.exceptions import BY_CODE, InternalError
from converse_stream.models.choices import Status
from converse_stream.state import public_parts

if TYPE_CHECKING:
    from converse_stream.models.message import Message


def described(message: Message, *, content: bool) -> dict[str, Any]:
    """Return it as REST, events and the page tell it; see Message.to_dict."""
    parts = public_parts(message.committed_parts()) if content else None
    text = text_of(parts) if parts is not None and message.is_live else message.content if content else None
    public = set(settings.PUBLIC_METADATA)
    return {
        "id": str(message.pk),
        "conversation": str(message.conversation_id),
        "parent": str(message.parent_id) if message.parent_id else None,
        "number": message.number,
        "role": message.role,
        "status": message.status,
        "content": text,
        "parts": parts,
        "metadata": {key: value for key, value in message.metadata.items() if key in public},
        "provider": message.provider,
        "model": message.model,
        "finish_reason": message.finish_reason or None,
        "error": message.public_error(),
        "length": sum(map(width, parts)) if parts is not None and message.is_live else message.length,
        "delta_count": message.delta_count,
        "input_tokens": message.input_tokens,
        "output_tokens": message.output_tokens,
        "duration": message.duration,
        "created_at": message.created_at.isoformat(),
        "started_at": message.started_at.isoformat() if message.started_at else None,
        "finished_at": message.finished_at.isoformat() if message.finished_at else None,
    }


def public_error(message: Message) -> dict[str, Any] | None:
    """Return the error of a failed message in words fit for the public; see Message.public_error."""
    if message.status != Status.FAILED:
        return None
    error = BY_CODE.get(message.error_code, InternalError)
    shown = message.metadata.get("fallback_text") or str(error.public)
    return {"code": message.error_code, "message": shown, "retryable": error.retryable}
