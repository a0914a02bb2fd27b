"""Durable conversations with language models for Django: an answer is a record, and everything follows it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["aask_stream", "ask_stream", "provider"]

_DOORS = {
    "aask_stream": "converse_stream.questions",
    "ask_stream": "converse_stream.questions",
    "provider": "converse_stream.registry",
}

if TYPE_CHECKING:
    from converse_stream.questions import aask_stream, ask_stream
    from converse_stream.registry import provider


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that listing the app in INSTALLED_APPS does not import an HTTP client.
    if name in _DOORS:
        return getattr(import_module(_DOORS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
