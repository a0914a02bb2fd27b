"""The AI SDK's UI message stream, protocol v1, as `ai` 6 and 7 read it (ai-sdk.dev/docs/ai-sdk-ui/stream-protocol).

The client wants `start` with the message's id first, every part opened before and closed after its deltas, and
`finish` on every path: without it a cut answer counts as a whole one. It has no cursors: a response always is the
whole message from `start`, and the ids of its parts are positions, the same in each.
"""

from __future__ import annotations

from collections.abc import Iterable
from json.encoder import encode_basestring_ascii
from typing import Any

from converse_stream.dialects.base import Dialect, sse, to_json
from converse_stream.events import TEXT_KINDS, Event

NAME = "ai-sdk"
DELTA = "ai-sdk delta"
"""Under which an event keeps its delta: a dialect of a site's own may have our name."""
DONE = sse("[DONE]")
FINISH_REASONS = {"content_filter": "content-filter", "tool_calls": "tool-calls", "cancelled": "other"}
"""Their word where it is not ours."""
BAD_ARGUMENTS = "The arguments are not valid JSON."


class AISDKDialect(Dialect):
    """What `useChat` and everything else on DefaultChatTransport reads."""

    name = NAME
    headers = {"x-vercel-ai-ui-message-stream": "v1"}
    heartbeat = b":\n\n"
    has_cursors = False

    def encoder(self, position: int = 0) -> AISDKEncoder:
        """Return an encoder that begins at the start."""
        return AISDKEncoder()


class AISDKEncoder:
    """The parts that one viewer has open. What it says depends on the message alone, not on how it was cut."""

    def __init__(self) -> None:
        self._has_begun = False
        self._open: tuple[str, str] | None = None
        """The kind and the id of the part whose deltas come."""
        self._calls: set[str] = set()
        self._has_results = False
        """Whether a tool has answered in this step: what the model says next is the next step."""

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the chunks of these events."""
        return b"".join([self._begin(event) + self._event(event) for event in events])

    def _begin(self, event: Event) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        return _chunk("start", messageId=event.message_id) + _chunk("start-step")

    def _event(self, event: Event) -> bytes:
        if event.kind in TEXT_KINDS:
            return self._text(event)
        if event.kind == "tool_call":
            return self._next_step() + self._call(event.data)
        if event.kind == "tool_result":
            return self._close() + self._result(event.data)
        if event.kind == "data":
            return self._close() + _chunk(f"data-{event.data['name']}", data=event.data["value"])
        return self._end(event) if event.is_ending else b""

    def _text(self, event: Event) -> bytes:
        opening = b""
        if self._open is None or self._open[0] != event.kind:
            opening = self._next_step()
            self._open = event.kind, f"{event.kind}-{event.start}"
            opening += _chunk(f"{event.kind}-start", id=self._open[1])
        frame = event.frames.get(DELTA)
        if frame is None:
            part = f'"{event.kind}-delta","id":"{self._open[1]}"'
            frame = sse(f'{{"type":{part},"delta":{encode_basestring_ascii(event.data)}}}')
            event.frames[DELTA] = frame
        return opening + frame

    def _call(self, part: dict[str, Any]) -> bytes:
        self._calls.add(part["id"])
        call = {"toolCallId": part["id"], "toolName": part["name"]}
        if part["arguments"] is None and part.get("raw"):
            return _chunk("tool-input-error", **call, input=part["raw"], errorText=BAD_ARGUMENTS)
        return _chunk("tool-input-available", **call, input=part["arguments"])

    def _result(self, part: dict[str, Any]) -> bytes:
        self._has_results = True
        # A result needs its call before it, or the client throws everything away.
        missing = {"id": part["id"], "name": part["name"], "arguments": {}}
        call = b"" if part["id"] in self._calls else self._call(missing)
        result = part["result"]
        if part["is_error"]:
            text = result if isinstance(result, str) else to_json(result)
            return call + _chunk("tool-output-error", toolCallId=part["id"], errorText=text)
        return call + _chunk("tool-output-available", toolCallId=part["id"], output=result)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        kind, part_id = self._open
        self._open = None
        return _chunk(f"{kind}-end", id=part_id)

    def _next_step(self) -> bytes:
        closing = self._close()
        if not self._has_results:
            return closing
        self._has_results = False
        return closing + _chunk("finish-step") + _chunk("start-step")

    def _end(self, event: Event) -> bytes:
        closing = self._close() + _chunk("finish-step")
        if event.kind == "failed":
            said = _chunk("error", errorText=event.data["error"]["message"])
            reason = "error"
        elif event.kind == "cancelled":
            said = _chunk("message-metadata", messageMetadata={"status": "cancelled"})
            said += _chunk("abort", reason="cancelled")
            reason = "other"
        else:
            said = b""
            given = event.data["message"]["finish_reason"] or "stop"
            reason = FINISH_REASONS.get(given, given)
        return closing + said + _chunk("finish", finishReason=reason) + DONE


def _chunk(type: str, **fields: Any) -> bytes:
    return sse(to_json({"type": type, **fields}))
