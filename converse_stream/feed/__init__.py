"""The read path: follow committed messages and watch conversations, from any cursor, any number of viewers."""

from converse_stream.feed.cursor import AFTER_ENDING, parse
from converse_stream.feed.feed import Feed, get_feed, stop
from converse_stream.feed.following import abatches, afollow, await_ending, batches, follow, wait
from converse_stream.feed.updates import ConversationCursor, Update
from converse_stream.feed.watching import awatch, watch

__all__ = [
    "AFTER_ENDING",
    "ConversationCursor",
    "Feed",
    "Update",
    "abatches",
    "afollow",
    "await_ending",
    "awatch",
    "batches",
    "follow",
    "get_feed",
    "parse",
    "stop",
    "wait",
    "watch",
]
