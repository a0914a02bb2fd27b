"""The write path's door: PrismStream, and how one is opened."""

from converse_stream.writer.start import StreamOpening, announce_start, start_stream
from converse_stream.writer.stream import PrismStream

__all__ = ["PrismStream", "StreamOpening", "announce_start", "start_stream"]
