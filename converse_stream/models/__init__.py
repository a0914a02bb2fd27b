"""The record: Conversation, Message, Chunk, Attempt."""

from converse_stream.models.attempt import Attempt
from converse_stream.models.choices import LIVE_STATUSES, Role, Status
from converse_stream.models.chunk import Chunk
from converse_stream.models.conversation import Conversation
from converse_stream.models.message import Message
from converse_stream.models.owning import HasConversations

__all__ = ["LIVE_STATUSES", "Attempt", "Chunk", "Conversation", "HasConversations", "Message", "Role", "Status"]
