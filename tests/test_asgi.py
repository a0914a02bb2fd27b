"""converse_application speaks the lifespan protocol, and is otherwise not there."""

import signal
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from converse_stream.asgi import converse_application
from converse_stream.models import Conversation, Message, Status
from tests.servers import ROOT


async def application(scope, receive, send) -> None:
    await send({"type": "called", "with": (scope, receive, send)})


async def test_a_socket_and_what_it_does_not_know_pass_through() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {}

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    for kind in ("websocket", "anything"):
        scope = {"type": kind}
        await converse_application(application)(scope, receive, send)
        assert sent.pop() == {"type": "called", "with": (scope, receive, send)}
    assert sent == []


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Leave the process's handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.django_db(transaction=True)
async def test_answers_have_ended_when_the_shutdown_is_complete(
    conversation: Conversation, own_signals: None, settings: Any
) -> None:
    settings.CONVERSE_STREAM = {"DRAIN_SECONDS": 0}
    stream = await conversation.astart_stream()
    await stream.aappend("So far")
    events, told = ["lifespan.startup", "lifespan.shutdown"], []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": events.pop(0)}

    async def send(event: MutableMapping[str, Any]) -> None:
        told.append((event, await Message.objects.values_list("status", flat=True).aget(pk=stream.message.pk)))

    await converse_application(application)({"type": "lifespan"}, receive, send)

    assert told == [
        ({"type": "lifespan.startup.complete"}, Status.STREAMING),
        ({"type": "lifespan.shutdown.complete"}, Status.FAILED),
    ]
    message = await Message.objects.aget(pk=stream.message.pk)
    assert (message.error_code, message.content) == ("shutdown", "So far")


def test_it_can_be_imported_before_django_is_set_up() -> None:
    code = "from converse_stream.asgi import converse_application"

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=True, timeout=60)
