"""Providers: each turns a prompt into deltas, in one module per wire format. They know no Django."""

from converse_stream.providers.base import Provider

__all__ = ["Provider"]
