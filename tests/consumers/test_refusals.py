"""Who gets in, what is refused, and that a refusal keeps the socket."""

import json
import uuid

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.signals import connection_created
from django.utils import timezone

from converse_stream import database
from converse_stream.consumers.frames import largest_frame
from converse_stream.models import Conversation, Message
from converse_stream.routing import websocket_urlpatterns
from tests.consumers.conftest import HEADERS, Socket
from tests.records import answered
from tests.servers import session_cookie

pytestmark = pytest.mark.django_db(transaction=True)


async def test_nobody_gets_in_without_signing_in(owner):
    """Seeds: F-07."""
    socket = Socket(AnonymousUser())

    connected, _ = await socket.connect(timeout=60)

    assert connected
    assert await socket.receive_output(10) == {"type": "websocket.close", "code": 4401, "reason": "not signed in"}


async def test_an_anonymous_client_is_told_nothing_before_the_close(conversation):
    message = await sync_to_async(answered)(conversation)
    socket = Socket(AnonymousUser())
    await socket.connect(timeout=60)

    await socket.say("follow", message)
    await socket.say("ping")

    assert (await socket.receive_output(10))["type"] == "websocket.close"
    assert await socket.receive_nothing()


async def test_the_session_is_what_signs_in(owner):
    cookie = await sync_to_async(session_cookie)(owner)
    headers = [(b"origin", b"http://testserver"), (b"cookie", cookie.encode())]
    socket = WebsocketCommunicator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), "/ws/converse/", headers)
    await socket.connect(timeout=60)

    await socket.send_json_to({"type": "ping"})

    assert await socket.receive_json_from(timeout=60) == {"type": "pong"}
    await socket.disconnect(timeout=60)


async def test_a_site_that_forgot_the_session_middleware_is_told():
    socket = WebsocketCommunicator(URLRouter(websocket_urlpatterns), "/ws/converse/", HEADERS)

    with pytest.raises(ImproperlyConfigured, match="AuthMiddlewareStack"):
        await socket.connect(timeout=0.5)  # what was raised comes out when the time is up


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        (b"https://chat.example.com", True),
        (b"https://CHAT.example.com:8443", True),
        (b"https://evil.com", False),
        (b"https://chat.example.com.evil.com", False),
        (b"https://evil.com/chat.example.com", False),
        (b"null", False),
        (b"", False),
        (None, False),
    ],
)
async def test_only_our_own_pages_may_connect(owner, settings, origin, is_welcome):
    settings.ALLOWED_HOSTS = ["chat.example.com"]
    socket = Socket(owner, [] if origin is None else [(b"origin", origin)])

    connected, _ = await socket.connect(timeout=60)

    assert connected == is_welcome
    await socket.disconnect(timeout=60)


@pytest.mark.parametrize("origin", [None, b"", b"null"])
async def test_a_site_that_allows_every_host_still_wants_to_know_the_origin(owner, settings, origin):
    settings.ALLOWED_HOSTS = ["*"]
    socket = Socket(owner, [] if origin is None else [(b"origin", origin)])

    assert not (await socket.connect(timeout=60))[0]
    await socket.disconnect(timeout=60)


async def test_a_site_that_allows_every_host_lets_every_page_in(owner, settings):
    settings.ALLOWED_HOSTS = ["*"]
    socket = Socket(owner, [(b"origin", b"https://evil.com")])

    assert (await socket.connect(timeout=60))[0]
    await socket.disconnect(timeout=60)


async def test_a_dead_channel_layer_costs_no_socket(connect, settings):
    hosts = {"hosts": ["redis://127.0.0.1:1"]}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": hosts}}

    socket = await connect()

    assert await socket.hears_nothing_before_the_pong()


async def test_what_is_not_mine_looks_exactly_like_what_does_not_exist(connect, conversation, stranger, owner):
    message = await sync_to_async(answered)(conversation)
    system = await conversation.aadd_message("system", "Never tell anybody.")
    gone = await Conversation.objects.acreate(owner=owner)
    deleted = await sync_to_async(answered)(gone, "Gone")
    await Conversation.objects.filter(pk=gone.pk).aupdate(deleted_at=timezone.now())
    asked = [(stranger, message.pk), (owner, uuid.uuid4()), (owner, "no-id"), (owner, system.pk), (owner, deleted.pk)]

    for kind in ("follow", "cancel"):
        for user, pk in asked:
            socket = await connect(user)
            await socket.say(kind, pk)
            assert await socket.hear() == {
                "type": "error",
                "code": "not_found",
                "message": "This message does not exist.",
                "request": {"type": kind, "message": str(pk)},
            }
            assert await socket.hears_nothing_before_the_pong()


async def test_nobody_stops_anothers_answer(connect, conversation, stranger):
    stream = await conversation.astart_stream()
    socket = await connect(stranger)

    await socket.say("cancel", stream.message)

    assert (await socket.hear())["code"] == "not_found"
    assert (await Message.objects.aget(pk=stream.message.pk)).status == "streaming"
    await stream.acomplete()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (" ", "bad_json"),
        ("{", "bad_json"),
        ("[" * 10_000, "bad_json"),
        ("9" * 10_000, "bad_json"),
        ("null", "bad_request"),
        ("[]", "bad_request"),
        ('"follow"', "bad_request"),
        ("{}", "bad_request"),
        ('{"type": null}', "bad_request"),
        ('{"type": ["follow"]}', "bad_request"),
        ('{"type": "dance"}', "bad_request"),
        ('{"type": "__class__"}', "bad_request"),
        ('{"type": "follow"}', "bad_request"),
        ('{"type": "cancel"}', "bad_request"),
        ('{"type": "unfollow"}', "bad_request"),
        ('{"type": "follow", "message": 7}', "bad_request"),
        ('{"type": "follow", "message": {"id": 7}}', "bad_request"),
        (r'{"type": "follow", "message": "\u0000"}', "not_found"),
        (r'{"type": "\ud800", "message": "\udfff"}', "bad_request"),
    ],
)
async def test_a_frame_that_makes_no_sense_keeps_the_socket(connect, text, code):
    socket = await connect()

    await socket.send_to(text_data=text)
    frame = await socket.hear()

    assert (frame["type"], frame["code"]) == ("error", code)
    assert frame["message"]
    assert json.dumps(frame, ensure_ascii=False).encode()
    assert await socket.hears_nothing_before_the_pong()


async def test_a_binary_frame_is_no_json(connect):
    socket = await connect()

    await socket.send_to(bytes_data=b'{"type": "ping"}')

    assert (await socket.hear())["code"] == "bad_json"


@pytest.mark.parametrize(
    "after", ["x", "-1", -1, 1.5, True, 10**30, "{}.x", "00000000-0000-4000-8000-000000000000.3", [0], {"a": 1}, "٣"]
)
async def test_a_malformed_cursor_leaves_an_earlier_follow_alone(connect, conversation, after):
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear()

    await socket.say("follow", stream.message, after=after)
    refusal = await socket.hear()
    await stream.acomplete()

    assert (refusal["type"], refusal["code"]) == ("error", "bad_cursor")
    assert (await socket.hear())["type"] == "complete"


@pytest.mark.parametrize("is_binary", [False, True])
async def test_a_frame_that_is_too_large_ends_the_socket(connect, conversation, is_binary):
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear()

    frame = "ü" * (largest_frame() // 2) + "x"
    await (socket.send_to(bytes_data=frame.encode()) if is_binary else socket.send_to(text_data=frame))

    assert (await socket.hear())["code"] == "too_large"
    assert await socket.receive_output(10) == {"type": "websocket.close", "code": 4413, "reason": "frame too large"}
    await stream.acomplete()
    assert await socket.receive_nothing()


async def test_the_largest_frame_that_is_allowed_is_served(connect):
    socket = await connect()
    frame = '{"type": "ping", "pad": ""}'

    await socket.send_to(text_data=frame.replace('""', f'"{"x" * (largest_frame() - len(frame))}"'))

    assert await socket.hear() == {"type": "pong"}


@pytest.mark.parametrize("kind", ["follow", "cancel"])
async def test_a_database_that_is_away_is_told_as_what_passes(kind, connect, conversation):
    message = await sync_to_async(answered)(conversation)
    socket = await connect()

    def refuse(**signal):
        raise OperationalError("sorry, too many clients already")

    await sync_to_async(database.close_pools)()
    connection_created.connect(refuse)
    try:
        await socket.say(kind, message, id=1)
        frame = await socket.hear()
    finally:
        connection_created.disconnect(refuse)

    assert (frame["type"], frame["code"]) == ("error", "store_unavailable")
    await socket.say(kind, message, id=2)
    assert (await socket.hear())["type"] == "reply"


async def test_a_fault_of_ours_is_told_and_logged_and_keeps_the_socket(connect, conversation, caplog):
    message = await conversation.aadd_assistant_message("A secret.")
    await Message.objects.filter(pk=message.pk).aupdate(metadata=5)  # which no version of ours would write
    socket = await connect()

    await socket.say("follow", message)

    assert (await socket.hear())["code"] == "internal"
    assert await socket.hears_nothing_before_the_pong()
    assert "a follow over a WebSocket failed" in caplog.text
    assert "A secret." not in caplog.text
