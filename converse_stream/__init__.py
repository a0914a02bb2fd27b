"""Durable conversations with language models for Django: an answer is a record, and everything follows it."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["provider"]

if TYPE_CHECKING:
    from converse_stream.registry import provider


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that listing the app in INSTALLED_APPS does not import an HTTP client.
    if name == "provider":
        from converse_stream.registry import provider  # noqa: PLC0415 - the one door of the package root

        return provider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
