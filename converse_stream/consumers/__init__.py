"""The WebSocket: one socket asks, follows and watches for one user, over the same feed as everything else.

docs/reference/websocket.md lists every frame and close code.
"""

from converse_stream.consumers.consumer import ConverseConsumer
from converse_stream.consumers.unknown import UnknownPath

__all__ = ["ConverseConsumer", "UnknownPath"]
