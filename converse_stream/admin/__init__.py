"""Inspection for staff: who talked with which model, how each answer went, and what has been said so far.

Nothing can be written here: a form that saves a live answer would overwrite what its writer adds meanwhile.
"""

from converse_stream.admin.conversations import ConversationAdmin
from converse_stream.admin.messages import MessageAdmin

__all__ = ["ConversationAdmin", "MessageAdmin"]
