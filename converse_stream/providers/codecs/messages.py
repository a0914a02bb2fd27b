"""Messages, as Anthropic and servers compatible with it speak it.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming and recorded traffic (read 2026-11-21).
"""

from collections.abc import Iterator
from typing import Any

from converse_stream.events import Content, Data, Delta, Reasoning, Served, State, Text, Usage
from converse_stream.exceptions import ProtocolError, Truncated
from converse_stream.providers import errors
from converse_stream.providers.codecs.base import EventStreamDecoder
from converse_stream.providers.codecs.blocks import Block, Blocks
from converse_stream.providers.codecs.messages_request import MessagesRequest
from converse_stream.providers.codecs.sse import MAX_EVENT_BYTES, ServerSentEvent
from converse_stream.providers.codecs.tool_calls import tool_call
from converse_stream.providers.codecs.trail import Trail
from converse_stream.providers.codecs.values import at, count, is_shallow, items, mapping, name, parsed, text

_LONGEST_REASON = 100
_FIELDS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
    "compaction_delta": ("content", "content"),
}
"""By type of delta: where its fragment lies, and which field of the block it continues."""
_SAYS: dict[str, type[Text | Reasoning]] = {"text": Text, "thinking": Reasoning}
"""The types of blocks that say something, each in the field of its name."""
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class MessagesDecoder(EventStreamDecoder):
    """Text and thinking come as they arrive, a tool call when its block ends, usage and Finish at the end.

    What shows nothing but is wanted back (signatures, redacted thinking, what the server's own tools did) is state.
    """

    max_event_bytes = 8 * MAX_EVENT_BYTES  # a page that the server has fetched comes in one event

    def __init__(self) -> None:
        super().__init__()
        self._blocks = Blocks()
        self._trail = Trail()
        self._counts: dict[str, int] = {}
        self._raw_reason: str | None = None
        self._calls = 0

    def _event(self, event: ServerSentEvent) -> Iterator[Delta]:
        payload = parsed(event.data)
        if event.event == "error" or errors.is_error(payload):
            raise errors.from_event(event.data if payload is None else payload)
        if not isinstance(payload, dict):
            raise ProtocolError(f"an event of {len(event.data)} characters is no JSON object")
        kind = text(payload.get("type"))
        if kind.startswith("content_block_"):
            yield from self._of_a_block(kind, payload, len(event.data))
        else:
            yield from self._of_the_message(kind, payload)

    def _of_the_message(self, kind: str, payload: dict[str, Any]) -> Iterator[Delta]:
        match kind:
            case "message_start":
                yield from self._message(mapping(payload.get("message")))
            case "message_delta":
                self._raw_reason = name(at(payload, "delta", "stop_reason"), _LONGEST_REASON) or self._raw_reason
                self._count(payload.get("usage"))
            case "message_stop":
                yield from self._ending()

    def _of_a_block(self, kind: str, payload: dict[str, Any], size: int) -> Iterator[Delta]:
        index = payload.get("index")
        index = index if isinstance(index, int) else 0
        match kind:
            case "content_block_start":
                yield from self._begin(index, mapping(payload.get("content_block")), size)
            case "content_block_delta":
                yield from self._continue(index, mapping(payload.get("delta")), size)
            case "content_block_stop":
                yield from self._finish(index)

    def _over(self) -> Iterator[Delta]:
        raise Truncated("the answer ended without its last event")

    def _payload(self, payload: dict[str, Any]) -> Iterator[Delta]:
        yield from self._message(payload)
        for index, block in enumerate(items(payload.get("content"))):
            yield from self._begin(index, mapping(block))
            yield from self._finish(index)
        self._raw_reason = name(payload.get("stop_reason"), _LONGEST_REASON) or None
        if self._raw_reason is not None:
            yield from self._ending()

    def _message(self, message: dict[str, Any]) -> Iterator[Delta]:
        self._count(message.get("usage"))
        yield from self._serve(name(message.get("model")), name(message.get("id")))

    def _begin(self, index: int, facts: dict[str, Any], size: int = 0) -> Iterator[Delta]:
        yield from self._finish(index)  # it should have ended
        self.begun = True
        block = self._blocks.open(index, facts, size)
        if block.type in _SAYS:
            yield from self._say(block, block.text(block.type))
        elif block.type == "fallback" and name(at(facts, "to", "model")):
            # Another model goes on where the first has refused.
            self.served = Served(name(facts["to"]["model"]), self.served.request_id)
            yield self.served

    def _continue(self, index: int, delta: dict[str, Any], size: int) -> Iterator[Delta]:
        kind = text(delta.get("type"))
        source, target = _FIELDS.get(kind, ("", ""))
        block = self._blocks.at(index)
        if block is None and target in _SAYS:
            block = self._blocks.open(index, {"type": target})
        if block is None:
            return
        if kind == "citations_delta":
            self._blocks.cite(block, delta.get("citation"), size)
        elif not target:
            block.is_whole = False
        else:
            self._blocks.add(block, target, text(delta.get(source)))
            if target == block.type:
                yield from self._say(block, text(delta.get(source)))

    def _say(self, block: Block, said: str) -> Iterator[Delta]:
        if said:
            self.begun = True
            yield self._given(_SAYS[block.type](said))

    def _finish(self, index: int) -> Iterator[Delta]:
        block = self._blocks.close(index)
        if block is None:
            return
        match block.type:
            case "tool_use":
                yield from self._call(block)
            case "thinking" | "redacted_thinking":
                yield from self._kept(block, kind="reasoning")
            case "text":
                yield from self._cited(block)
            case _:
                yield from self._kept(block)

    def _call(self, block: Block) -> Iterator[Delta]:
        if name(block.facts.get("name")):
            self._calls += 1
            facts, seed = block.facts, f"{self.served.request_id}:{self._calls}"
            yield self._given(tool_call(text(facts.get("id")), text(facts.get("name")), block.input, seed=seed))

    def _cited(self, block: Block) -> Iterator[Delta]:
        citations = [mapping(citation) for citation in items(block.whole().get("citations"))]
        if any("encrypted_index" in citation for citation in citations):
            yield from self._kept(block, shown=block.text("text"))
        for citation in citations:
            yield self._given(_citation(citation))

    def _kept(self, block: Block, *, shown: str = "", kind: str = "") -> Iterator[State]:
        whole = block.whole()
        if block.type and block.is_whole and is_shallow(whole):
            yield self._trail.state(whole, shown=shown, kind=kind)

    def _given(self, content: Content) -> Content:
        self._trail.said(content)
        return content

    def _count(self, usage: object) -> None:
        """Add what an event says of the usage; of the same figure, the later counts."""
        told = {key: count(at(usage, key)) for key in _COUNTS}
        told["thinking_tokens"] = count(at(usage, "output_tokens_details", "thinking_tokens"))
        self._counts |= {key: tokens for key, tokens in told.items() if tokens is not None}

    def _ending(self) -> Iterator[Delta]:
        for block in self._blocks.close_all():
            if block.type == "tool_use":
                yield from self._call(block)
        self.usage = _usage(self._counts)
        yield from self._end(self._raw_reason or "")


def _usage(counts: dict[str, int]) -> Usage | None:
    """Return the usage: Anthropic counts what it read from or wrote to the cache beside the rest of the prompt."""
    if not counts:
        return None
    cached = counts.get("cache_read_input_tokens")
    prompt = counts.get("input_tokens")
    if prompt is not None:
        prompt = count(prompt + (cached or 0) + counts.get("cache_creation_input_tokens", 0))
    return Usage(prompt, counts.get("output_tokens"), cached, counts.get("thinking_tokens"))


def _citation(citation: dict[str, Any]) -> Data:
    """Return where a piece of the answer comes from, as far as it says."""
    said = {
        "url": text(citation.get("url")) or text(citation.get("source")),
        "title": text(citation.get("title")) or text(citation.get("document_title")),
        "text": text(citation.get("cited_text")),
    }
    return Data("citation", {key: value for key, value in said.items() if value})


class Messages(MessagesRequest):
    """Messages, as Anthropic speaks it."""

    decoder = MessagesDecoder
