"""Transforms: what happens to an answer on its way into the record, or on its way to one viewer."""

from converse_stream.transforms.base import Pipeline, Transform
from converse_stream.transforms.cutting import by_line, by_sentence, by_word
from converse_stream.transforms.moderation import moderate
from converse_stream.transforms.pacing import at_most_every, pace
from converse_stream.transforms.redaction import redact

__all__ = [
    "Pipeline",
    "Transform",
    "at_most_every",
    "by_line",
    "by_sentence",
    "by_word",
    "moderate",
    "pace",
    "redact",
]
