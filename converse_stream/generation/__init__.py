"""Generation: one answer, from its prompt to its ending."""

from converse_stream.generation.generation import Generation
from converse_stream.generation.source import Item, Source

__all__ = ["Generation", "Item", "Source"]
