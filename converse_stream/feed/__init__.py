"""The read path: follow committed messages and watch conversations, from any cursor, any number of viewers."""

from converse_stream.feed.cursor import AFTER_ENDING, parse
from converse_stream.feed.feed import Feed, drain, get_feed, is_draining, stop
from converse_stream.feed.following import abatches, await_ending, batches, wait
from converse_stream.feed.showing import afollow, ashown, follow, shown
from converse_stream.feed.updates import ConversationCursor, Update
from converse_stream.feed.watching import awatch, watch

__all__ = [
    "AFTER_ENDING",
    "ConversationCursor",
    "Feed",
    "Update",
    "abatches",
    "afollow",
    "ashown",
    "await_ending",
    "awatch",
    "batches",
    "drain",
    "follow",
    "get_feed",
    "is_draining",
    "parse",
    "shown",
    "stop",
    "wait",
    "watch",
]
