"""Wishes: what can be said of the answer that is asked for, by keyword."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from converse_stream.generation import Source
from converse_stream.models import Message
from converse_stream.registry import Model
from converse_stream.rendering import PromptTemplate
from converse_stream.tools import Tools
from converse_stream.transforms import Transform
from converse_stream.windows import Window


class Wishes(TypedDict, total=False):
    """The keywords of `ask`, and of everything that asks."""

    model: Model | None
    """Who is to answer; the conversation's model, or else DEFAULT_MODEL."""
    options: Mapping[str, Any] | None
    """Temperature and the like; they win over those of the conversation."""
    system: str | PromptTemplate | None
    """What the model is told before everything else, in place of the conversation's system prompt; "" is nothing."""
    transforms: Sequence[Transform]
    """What the answer goes through on its way into the record."""
    cache: float | None
    """For how many seconds the answer is kept in the cache, and taken from there if it is kept already."""
    fallback_text: str | None
    """What viewers are shown if the answer fails; never part of an answer."""
    window: Window | None
    """How much of the conversation the model is told; by default as much as its context holds."""
    source: Source | None
    """What writes the answer in place of a provider."""
    tools: Tools
    """Functions that the model may have called; names of them where another process answers."""
    schema: Any
    """A pydantic model, another type or a JSON schema: the answer is an object, `message.parsed`."""
    metadata: Mapping[str, Any] | None
    """The site's own, kept with the answer."""
    parent: Message | None
    """What the question follows: a branch."""
    beside: Message | None
    """What the question stands beside: an edit."""
    interrupt: bool
    """Stop a live answer first."""
    client_key: str | None
    """Makes asking safe to repeat."""


def check_wishes(wishes: Mapping[str, Any]) -> None:
    """Raise TypeError for a keyword that asks for nothing we know."""
    unknown = sorted(set(wishes) - Wishes.__optional_keys__)
    if unknown:
        known = ", ".join(sorted(Wishes.__optional_keys__))
        raise TypeError(f"nothing is known of {', '.join(map(repr, unknown))}; what can be asked for is {known}")
