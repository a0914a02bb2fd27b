"""The wire formats that events can be sent in: ours, those of well-known clients, and a site's own."""

from __future__ import annotations

from functools import cache

from converse_stream.conf import load, settings
from converse_stream.dialects.ai_sdk import AISDKDialect
from converse_stream.dialects.base import Dialect, Encoder, SharedDialect, sse
from converse_stream.dialects.bupple import BuppleDialect, BuppleEventsDialect, BuppleProgressDialect
from converse_stream.dialects.converse import ConverseDialect, ConverseProgressDialect
from converse_stream.dialects.laraflow import LaraFlowDialect
from converse_stream.dialects.lightpack import Lightpack2Dialect, LightpackDialect
from converse_stream.dialects.native import NativeDialect, payload
from converse_stream.dialects.openai import OpenAIDialect
from converse_stream.dialects.prism import PrismDialect
from converse_stream.dialects.text import TextDialect, WikiDialect
from converse_stream.exceptions import UnknownDialect

__all__ = ["BUILT_IN", "Dialect", "Encoder", "SharedDialect", "get_dialect", "payload", "sse"]

_KINDS: tuple[type[Dialect], ...] = (
    NativeDialect,
    TextDialect,
    AISDKDialect,
    OpenAIDialect,
    ConverseDialect,
    ConverseProgressDialect,
    PrismDialect,
    LightpackDialect,
    Lightpack2Dialect,
    BuppleDialect,
    BuppleEventsDialect,
    BuppleProgressDialect,
    LaraFlowDialect,
    WikiDialect,
)
BUILT_IN: dict[str, Dialect] = {kind.name: kind() for kind in _KINDS}
"""The dialects that need no setting, by name."""
ALIASES = {"vercel": AISDKDialect.name}
"""Names that other systems have for a dialect."""


def get_dialect(name: str | Dialect) -> Dialect:
    """Return a dialect by name, a site's own before ours; one itself as it is. Raise UnknownDialect."""
    if isinstance(name, Dialect):
        return name
    if not isinstance(name, str):
        raise TypeError(f"dialect must be a name or a Dialect, not {type(name).__name__}")
    own = settings.DIALECTS
    if name in own:
        return _own(name, own[name])
    try:
        return BUILT_IN[ALIASES.get(name, name)]
    except KeyError:
        known = ", ".join({**BUILT_IN, **own})
        raise UnknownDialect(f"no dialect {name[:40]!r}; known are {known}") from None


@cache
def _own(name: str, path: str) -> Dialect:
    dialect: Dialect = load(f"DIALECTS[{name!r}]", path, Dialect)()
    dialect.name = name  # under which events keep its bytes
    return dialect
