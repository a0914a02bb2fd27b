"""Two people, one conversation, and sockets for them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.db import connections

from converse_stream.consumers import ConverseConsumer
from converse_stream.models import Conversation
from converse_stream.routing import websocket_urlpatterns
from tests.records import person

HEADERS = [(b"origin", b"http://testserver")]


class Socket(WebsocketCommunicator):
    """A signed-in client's end of a socket."""

    def __init__(self, user: Any, headers: list[tuple[bytes, bytes]] = HEADERS, **limits: float) -> None:
        application = ConverseConsumer.as_asgi(**limits) if limits else URLRouter(websocket_urlpatterns)
        super().__init__(application, "/ws/converse/", headers)
        self.scope["user"] = user

    async def say(self, kind: str, message: Any = None, **fields: Any) -> None:
        """Send a frame."""
        about = {} if message is None else {"message": str(getattr(message, "pk", message))}
        await self.send_json_to({"type": kind, **about, **fields})

    async def hear(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = await self.receive_json_from(timeout=60)
        return frame

    async def hear_until(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the frames up to one of these kinds."""
        frames = [await self.hear()]
        while frames[-1]["type"] not in kinds:
            frames.append(await self.hear())
        return frames

    async def hears_nothing_before_the_pong(self) -> bool:
        """Whether nothing was on its way: what a client says is served in order."""
        await self.say("ping")
        frame = await self.hear()
        assert frame == {"type": "pong"}, frame
        return True

    async def is_closed_with(self) -> tuple[int, str]:
        """Return the code and the reason with which the socket is closed, which is the next thing to happen."""
        output = await self.receive_output(10)
        assert output["type"] == "websocket.close", output
        return output["code"], output["reason"]


@pytest.fixture
def owner(transactional_db: None) -> Any:
    return person("owner")


@pytest.fixture
def stranger(transactional_db: None) -> Any:
    return person("stranger")


@pytest.fixture
def conversation(owner: Any) -> Conversation:
    return Conversation.objects.create(owner=owner)


@pytest.fixture
async def connect(owner: Any) -> AsyncIterator[Callable[..., Any]]:
    sockets: list[Socket] = []

    async def connect(user: Any = owner, *, session: Any = None, **limits: float) -> Socket:
        socket = Socket(user, **limits)
        if session is not None:
            socket.scope["session"] = session
        connected, _ = await socket.connect(timeout=60)
        assert connected
        sockets.append(socket)
        return socket

    yield connect
    for socket in sockets:
        await socket.disconnect(timeout=60)
    # Async tests reach the database through a thread of their own.
    await sync_to_async(connections.close_all)()
