"""UnknownPath: the answer to a WebSocket path that does not exist, where URLRouter would raise an error."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from converse_stream.consumers.codes import NO_SUCH_PATH


class UnknownPath(AsyncWebsocketConsumer):
    """Open the socket, only to close it: a refusal could not carry a code."""

    channel_layer_alias = None

    async def connect(self) -> None:
        """Say that there is nothing here."""
        await self.accept()
        await self.close(NO_SUCH_PATH.code, NO_SUCH_PATH.reason)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> Any:
        """Listen to nothing."""
