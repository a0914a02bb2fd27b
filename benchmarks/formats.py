"""One answer in the wire format of each provider, as it is streamed: an event for each token."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.answer import words

RATINGS = [{"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"} for name in ("HATE_SPEECH", "HARASSMENT")]


def chat(tokens: int) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        head = {
            "id": "chatcmpl-DkV0o5cBnmPyqQhHvSgU3JxTaLZbe",
            "object": "chat.completion.chunk",
            "created": 1795257600,
        }
        return event({**head, "model": "gpt-6-luna", "system_fingerprint": "fp_62a23a81ef", "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"content": word}) for word in words(tokens))
    yield chunk({}, "stop") + b"data: [DONE]\n\n"


def responses(tokens: int) -> Iterator[bytes]:
    response = {"id": "resp_0123456789abcdef", "model": "gpt-6-luna", "status": "in_progress", "output": []}
    item = {"item_id": "msg_0123456789abcdef0123456789abcdef", "output_index": 0, "content_index": 0}
    yield typed({"type": "response.created", "response": response})
    for number, word in enumerate(words(tokens)):
        fields = {"sequence_number": number, "delta": word, "logprobs": [], "obfuscation": "xYz12"}
        yield typed({"type": "response.output_text.delta", **item, **fields})
    yield typed({"type": "response.completed", "response": {**response, "status": "completed"}})


def messages(tokens: int) -> Iterator[bytes]:
    message = {"id": "msg_0123456789", "model": "claude-sonnet-5-5", "usage": {"input_tokens": 9, "output_tokens": 1}}
    yield typed({"type": "message_start", "message": {**message, "role": "assistant", "content": []}})
    yield typed({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for word in words(tokens):
        yield typed({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
    yield typed({"type": "content_block_stop", "index": 0})
    yield typed({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": tokens}})
    yield typed({"type": "message_stop"})


def generate_content(tokens: int) -> Iterator[bytes]:
    for number, word in enumerate(words(tokens)):
        candidate = {"content": {"parts": [{"text": word}], "role": "model"}, "index": 0, "safetyRatings": RATINGS}
        if number == tokens - 1:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 9, "candidatesTokenCount": number, "totalTokenCount": number + 9}
        more = {"usageMetadata": usage, "modelVersion": "gemini-3.8-flash", "responseId": "0123456789abcdef"}
        yield event({"candidates": [candidate], **more}).replace(b"\n", b"\r\n")


def ollama(tokens: int) -> Iterator[bytes]:
    head = {"model": "gemma4", "created_at": "2026-11-21T16:00:00.123456789Z"}
    for word in words(tokens):
        yield dumped({**head, "message": {"role": "assistant", "content": word}, "done": False}) + b"\n"
    ending = {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "eval_count": tokens,
    }
    yield dumped({**head, **ending}) + b"\n"


def dumped(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def event(payload: dict[str, Any]) -> bytes:
    return b"data: " + dumped(payload) + b"\n\n"


def typed(payload: dict[str, Any]) -> bytes:
    return f"event: {payload['type']}\n".encode() + event(payload)


FORMATS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "generate_content": generate_content,
    "ollama": ollama,
}
"""By the name that the key `api` has for it."""
