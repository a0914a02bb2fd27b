"""What the clients of each dialect make of its bytes, each in the few lines that its own documentation shows."""

import json
from dataclasses import dataclass, field
from typing import Any

from converse_stream.providers.codecs.sse import ServerSentEvent, SSEDecoder


@dataclass
class Seen:
    """What a client has at the end."""

    text: str = ""
    reasoning: str = ""
    parts: list[Any] = field(default_factory=list)
    """Calls, results and data values, where the format has words for them."""
    ending: str = ""
    cursor: str = ""
    """What an EventSource comes back with."""


def sent(body: bytes) -> list[ServerSentEvent]:
    return list(SSEDecoder(max_event_bytes=2**24).feed(body))


def read(dialect: str, body: bytes) -> Seen:
    """Read the body of a response, or what is left of it, as a client of this dialect does."""
    if dialect in ("text", "wiki"):
        return _text(body.decode())
    seen = Seen()
    for event in sent(body):
        seen.cursor = event.id
        data = event.data if event.data == "[DONE]" else json.loads(event.data)
        READERS[dialect](seen, event.event, data)
    return seen


def _text(text: str) -> Seen:
    said, mark, _failure = text.partition("\n\n[The assistant took too long")
    return Seen(text=said, ending="failed" if mark else "")


def _native(seen: Seen, event: str, data: Any) -> None:
    if event == "text":
        seen.text += data["text"]
    elif event == "reasoning":
        seen.reasoning += data["text"]
    elif event in ("tool_call", "tool_result", "data"):
        seen.parts.append({key: value for key, value in data.items() if key != "start"})
    elif event != "start":
        seen.ending = event


def _ai_sdk(seen: Seen, event: str, data: Any) -> None:
    """Throw where AI SDK's own reader does, and where something is left open."""
    state = seen.__dict__.setdefault("state", {"open": {}, "calls": {None}, "steps": 0, "is_started": False})
    if data == "[DONE]":
        assert seen.ending
    elif data["type"] == "start":
        assert not state["is_started"]
        state["is_started"] = True
    elif data["type"] in ("start-step", "finish-step"):
        state["steps"] += 1 if data["type"] == "start-step" else -1
        assert state["is_started"]
        assert state["steps"] in (0, 1)
        assert not state["open"]
    elif data["type"] in ("finish", "error", "abort"):
        assert not state["open"]
        seen.ending = seen.ending or {"error": "failed", "abort": "cancelled"}.get(data["type"], "complete")
    elif data["type"] != "message-metadata":
        _ai_sdk_part(seen, state, data)


def _ai_sdk_part(seen: Seen, state: dict[str, Any], data: Any) -> None:
    kind, _, what = data["type"].partition("-")
    if kind not in ("text", "reasoning"):
        assert kind == "data" or what.startswith("input") or data["toolCallId"] in state["calls"]
        state["calls"].add(data.get("toolCallId"))
        seen.parts.append(data)
    elif what == "start":
        assert data["id"] not in state["open"]
        state["open"][data["id"]] = kind
    elif what == "delta":
        assert state["open"][data["id"]] == kind
        setattr(seen, kind, getattr(seen, kind) + data["delta"])
    else:
        assert what == "end"
        assert state["open"].pop(data["id"]) == kind


def _openai(seen: Seen, event: str, data: Any) -> None:
    if data == "[DONE]":
        seen.ending = seen.ending or "complete"
    elif "error" in data:
        seen.ending = "failed"
    else:
        for choice in data["choices"]:
            delta = choice["delta"]
            seen.text += delta.get("content") or ""
            seen.reasoning += delta.get("reasoning_content") or ""
            seen.parts += delta.get("tool_calls", [])


def _converse(seen: Seen, event: str, data: Any) -> None:
    if data.get("chunk"):
        seen.text += data["chunk"]
        seen.parts = [data["progress"]["characters"]] if "progress" in data else []
    else:
        seen.ending = "failed" if data.get("error") else data["message"]["status"]


def _lightpack(seen: Seen, event: str, data: Any) -> None:
    if data == "[DONE]":
        seen.ending = "complete"
    elif "error" in data:
        seen.ending = "failed"
    else:
        seen.text += data["content"]


def _lightpack2(seen: Seen, event: str, data: Any) -> None:
    seen.text += data.get("text", "")
    seen.ending = {"chunk": "", "done": "complete", "error": "failed"}[data["event"]]


def _bupple(seen: Seen, event: str, data: Any) -> None:
    seen.text += data.get("content", "")
    seen.ending = "failed" if data.get("error") else "complete" if data["done"] else ""


def _bupple_events(seen: Seen, event: str, data: Any) -> None:
    seen.text += data.get("content", "")
    seen.ending = {"chunk": "", "completion": "complete", "error": "failed"}[event]


def _bupple_progress(seen: Seen, event: str, data: Any) -> None:
    if data.get("type") == "chunk":
        seen.text += data["content"]
        seen.parts = [data["tokens"]]
    else:
        seen.ending = "failed" if "error" in data else {"Starting...": "", "Complete": "complete"}[data["message"]]


def _prism(seen: Seen, event: str, data: Any) -> None:
    what, _, step = event.rpartition("_")
    if step == "delta":
        name = {"text": "text", "thinking": "reasoning"}[what]
        setattr(seen, name, getattr(seen, name) + data["delta"])
    elif event in ("tool_call", "tool_result"):
        seen.parts.append({key: value for key, value in data.items() if key != "timestamp"})
    elif event in ("stream_end", "error"):
        seen.ending = {"stream_end": "complete", "error": "failed"}[event]


def _laraflow(seen: Seen, event: str, data: Any) -> None:
    seen.text += data.get("chunk", "")
    seen.ending = {"chunk": "", "complete": "complete", "error": "failed"}[data["type"]]


READERS = {
    "native": _native,
    "ai-sdk": _ai_sdk,
    "openai": _openai,
    "converse": _converse,
    "converse-progress": _converse,
    "prism": _prism,
    "lightpack": _lightpack,
    "lightpack2": _lightpack2,
    "bupple": _bupple,
    "bupple-events": _bupple_events,
    "bupple-progress": _bupple_progress,
    "laraflow": _laraflow,
}
