"""The wire formats that providers speak, without I/O: prompts in and requests out, bytes in and deltas out."""

from converse_stream.providers.codecs.base import Codec, Decoder, EventStreamDecoder

__all__ = ["Codec", "Decoder", "EventStreamDecoder"]
