"""The read path: follow committed messages, from any position, any number of viewers at a time."""

from converse_stream.feed.cursor import AFTER_ENDING, parse
from converse_stream.feed.feed import Feed, get_feed, stop
from converse_stream.feed.following import abatches, afollow, await_ending, batches, follow, wait

__all__ = [
    "AFTER_ENDING",
    "Feed",
    "abatches",
    "afollow",
    "await_ending",
    "batches",
    "follow",
    "get_feed",
    "parse",
    "stop",
    "wait",
]
