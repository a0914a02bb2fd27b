"""The content blocks of a Messages answer, put together from their fragments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.tool_calls import MAX_CHARS, parse_arguments
from converse_stream.providers.codecs.values import items, text

MAX_OPEN = 1000
"""How many blocks may be received at a time; one is what is usual."""


@dataclass(slots=True)
class Block:
    """A content block: what it began with, and the fragments since."""

    facts: dict[str, Any]
    fragments: dict[str, list[str]] = field(default_factory=dict)
    """By the name of the field that they continue."""
    citations: list[Any] = field(default_factory=list)
    is_whole: bool = True
    """Whether all of it is here: not if it grew past all measure, or in a way that nobody here knows."""
    size: int = 0

    @property
    def type(self) -> str:
        """The block's type; empty if it has none."""
        return text(self.facts.get("type"))

    @property
    def input(self) -> Any:
        """The input of a tool: as text if it came in fragments, else as it was given."""
        return "".join(self.fragments.get("input", ())) or self.facts.get("input")

    def text(self, name: str) -> str:
        """Return the text of a field."""
        return text(self.facts.get(name)) + "".join(self.fragments.get(name, ()))

    def whole(self) -> dict[str, Any]:
        """Return the block as if it had come in one piece."""
        whole = {**self.facts, **{name: self.text(name) for name in self.fragments if name != "input"}}
        if isinstance(self.input, str):
            whole["input"] = parse_arguments(self.input) or {}
        if self.citations:
            whole["citations"] = [*items(self.facts.get("citations")), *self.citations]
        return whole

    def forget(self) -> None:
        """Keep nothing but the type."""
        self.facts, self.is_whole, self.size = {"type": self.type}, False, 0
        self.fragments.clear()
        self.citations.clear()


class Blocks:
    """The blocks of an answer that are still being received, by their index.

    They are kept to be sent back. A block that grows past all measure is let go, as an answer's text has its limit
    elsewhere; but of a client's tool call nothing can be left out.
    """

    def __init__(self) -> None:
        self._open: dict[int, Block] = {}
        self._size = 0

    def open(self, index: int, facts: dict[str, Any], size: int = 0) -> Block:
        """Begin a block. Raise ProtocolError when there are more than could be meant."""
        if len(self._open) >= MAX_OPEN:
            raise ProtocolError(f"the answer has more than {MAX_OPEN} blocks at a time")
        block = self._open[index] = Block(facts)
        self._grows(block, size)
        return block

    def at(self, index: int) -> Block | None:
        """Return the block with this index if it is still open."""
        return self._open.get(index)

    def add(self, block: Block, name: str, fragment: str) -> None:
        """Add a fragment to a field. Raise ProtocolError for a tool call that grows past all measure."""
        if self._grows(block, len(fragment)):
            block.fragments.setdefault(name, []).append(fragment)

    def cite(self, block: Block, citation: object, size: int) -> None:
        """Add a citation that takes about this many characters."""
        if self._grows(block, size):
            block.citations.append(citation)

    def close(self, index: int) -> Block | None:
        """Return the block with this index, which has ended; None if there is none."""
        block = self._open.pop(index, None)
        if block is not None:
            self._size -= block.size
        return block

    def close_all(self) -> list[Block]:
        """Return the blocks that never ended, in their order."""
        return [block for index in list(self._open) if (block := self.close(index))]

    def _grows(self, block: Block, size: int) -> bool:
        if block.is_whole and self._size + size > MAX_CHARS:
            if block.type == "tool_use":
                raise ProtocolError(f"the tool calls are longer than {MAX_CHARS} characters")
            self._size -= block.size
            block.forget()
        if block.is_whole:
            block.size += size
            self._size += size
        return block.is_whole
