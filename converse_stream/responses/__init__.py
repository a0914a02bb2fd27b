"""HTTP responses that follow a message."""

from converse_stream.responses.refusals import refusal
from converse_stream.responses.requests import (
    astream_response,
    follow_response,
    stream_response,
)
from converse_stream.responses.response import EventStreamResponse

__all__ = ["EventStreamResponse", "astream_response", "follow_response", "refusal", "stream_response"]
