"""Under converse_application a viewer's request ends at once, and its response goes on as if it had not."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.asgi import get_asgi_application
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponseBase
from django.test import Client
from django.utils import timezone

from converse_stream import feed
from converse_stream.asgi import converse_application
from converse_stream.models import Conversation, Message, Status
from converse_stream.testing import Follower
from converse_stream.writer import PrismStream
from tests.servers import session_cookie
from tests.serving.exchange import Exchange

pytestmark = pytest.mark.django_db(transaction=True)

VIEWERS = 30
FOLLOW = "/streaming/follow/{message}/"
PATHS = [
    FOLLOW,
    "/streaming/afollow/{message}/",
    "/streaming/signed-in/{message}/",
    "/converse/messages/{message}/stream/",
    "/api/messages/{message}/stream/",
    "/api/conversations/{conversation}/stream/",
    "/api/messages/{message}/stream/?dialect=openai",
    "/api/chat/{conversation}/stream",
]


@pytest.fixture
async def stream(conversation: Conversation) -> PrismStream:
    stream = await conversation.astart_stream()
    await stream.aappend("Hello ")
    return stream


@pytest.fixture
def application() -> Any:
    return converse_application(get_asgi_application(), access_interval=0.1, slow_after=0.2)


@pytest.fixture
async def cookie(user: User) -> str:
    return await sync_to_async(session_cookie)(user)


@contextmanager
def requests_finished() -> Iterator[list[Any]]:
    """Count the requests that Django has done with."""
    finished: list[Any] = []

    def note(**kwargs: Any) -> None:
        finished.append(kwargs["sender"])

    request_finished.connect(note)
    yield finished
    request_finished.disconnect(note)


def address(path: str, stream: PrismStream) -> str:
    return path.format(message=stream.message.pk, conversation=stream.message.conversation_id)


async def viewers_of(stream: PrismStream) -> int:
    tail = feed.get_feed().tails.get(str(stream.message.pk))
    return len(tail.viewers) if tail else 0


@pytest.mark.parametrize("path", PATHS)
async def test_the_request_ends_and_the_stream_goes_on(
    path: str, stream: PrismStream, application: Any, cookie: str
) -> None:
    with requests_finished() as finished:
        exchange = Exchange(application, address(path, stream), cookie=cookie)
        await exchange.wait_for(b"Hello")
        assert len(finished) == 1

        await stream.aappend("world")
        await stream.acomplete()
        body = await exchange.wait_for_end()

    assert exchange.status == 200
    assert b"world" in body
    assert len(finished) == 1
    if "dialect" not in path and "chat" not in path:
        assert Follower().read([body]).text == "Hello world"


async def test_who_watches_a_conversation_is_served_alike(stream: PrismStream, application: Any, cookie: str) -> None:
    with requests_finished() as finished:
        exchange = Exchange(application, address("/api/conversations/{conversation}/events/", stream), cookie=cookie)
        await exchange.wait_for(b"Hello")
        assert len(finished) == 1
        await stream.acomplete()
        await exchange.wait_for(b"event: complete")
        exchange.leave()
        await asyncio.wait_for(exchange.task, 60)


async def test_viewers_hold_no_threads(stream: PrismStream, application: Any) -> None:
    first = Exchange(application, address(FOLLOW, stream))
    await first.wait_for(b"Hello")
    before = threading.active_count()

    others = [Exchange(application, address(FOLLOW, stream)) for _ in range(VIEWERS)]
    for exchange in others:
        await exchange.wait_for(b"Hello")

    assert threading.active_count() <= before + 8
    for exchange in (first, *others):
        exchange.leave()
    await asyncio.wait_for(asyncio.gather(*(exchange.task for exchange in (first, *others))), 10)
    assert await viewers_of(stream) == 0


@pytest.mark.parametrize("farewells", [1, 5])
@pytest.mark.parametrize("path", [FOLLOW, "/streaming/afollow/{message}/"])
async def test_a_client_that_has_left_during_the_request_leaves_nothing_behind(
    path: str, farewells: int, stream: PrismStream, application: Any
) -> None:
    exchange = Exchange(application, address(path, stream), farewells=farewells)
    exchange.leave()  # Django's own listener hears it, and some servers say it only once

    await asyncio.wait_for(exchange.task, 60)

    assert await viewers_of(stream) == 0
    assert not exchange.is_over


@pytest.mark.parametrize("farewells", [1, 5])
async def test_leaving_stops_the_answer_where_that_was_asked_for(
    farewells: int, stream: PrismStream, application: Any, cookie: str
) -> None:
    exchange = Exchange(
        application, address("/streaming/signed-in/{message}/", stream), cookie=cookie, farewells=farewells
    )
    await exchange.wait_for(b"Hello")
    assert (await Message.objects.aget(pk=stream.message.pk)).is_live

    exchange.leave()
    await asyncio.wait_for(exchange.task, 60)

    assert (await stream.message.await_ending(10)).status == Status.CANCELLED


async def test_reading_to_the_end_stops_nothing(stream: PrismStream, application: Any, cookie: str) -> None:
    exchange = Exchange(application, address("/streaming/signed-in/{message}/", stream), cookie=cookie)
    await exchange.wait_for(b"Hello")
    await stream.acomplete()
    await exchange.wait_for_end()

    assert (await Message.objects.aget(pk=stream.message.pk)).status == Status.COMPLETE


async def test_a_viewers_place_is_taken_until_the_stream_ends(
    stream: PrismStream, application: Any, cookie: str, settings: Any
) -> None:
    settings.CONVERSE_STREAM = {"MAX_VIEWERS_PER_USER": 1}
    url = address("/converse/messages/{message}/stream/", stream)
    first = Exchange(application, url, cookie=cookie)
    await first.wait_for(b"Hello")

    second = Exchange(application, url, cookie=cookie)
    await second.wait_for_end()
    assert second.status == 429

    first.leave()
    await asyncio.wait_for(first.task, 60)
    third = Exchange(application, url, cookie=cookie)
    await third.wait_for(b"Hello")
    third.leave()
    await asyncio.wait_for(third.task, 60)


# Who has wrapped the body streams it.


class Shouting:
    """A middleware that changes what is streamed."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.streaming_content = (part.upper() for part in response.streaming_content)
        return response


@pytest.mark.parametrize("path", [FOLLOW, "/streaming/afollow/{message}/"])
async def test_a_body_that_a_middleware_has_wrapped_is_left_to_it(
    path: str, stream: PrismStream, settings: Any
) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Shouting"]
    exchange = Exchange(converse_application(get_asgi_application()), address(path, stream))
    await exchange.wait_for(b"HELLO")
    await stream.acomplete()

    assert b"EVENT: COMPLETE" in await exchange.wait_for_end()


async def test_a_response_that_a_view_reads_itself_is_left_to_it(stream: PrismStream, application: Any) -> None:
    exchange = Exchange(application, address("/streaming/shouted/{message}/", stream))
    await exchange.wait_for(b"HELLO")
    await stream.acomplete()

    body = await exchange.wait_for_end()
    assert b"EVENT: COMPLETE" in body
    assert b"event" not in body


async def test_without_it_django_streams_as_ever(stream: PrismStream) -> None:
    with requests_finished() as finished:
        exchange = Exchange(get_asgi_application(), address(FOLLOW, stream))
        await exchange.wait_for(b"Hello")
        assert finished == []
        await stream.acomplete()
        await exchange.wait_for_end()
        assert len(finished) == 1


# Who may not look any more is sent away.


def log_out(user: User, cookie: str) -> None:
    client = Client()
    client.cookies.load(cookie)
    client.logout()


def run_out(user: User, cookie: str) -> None:
    Session.objects.update(expire_date=timezone.now())


def change_password(user: User, cookie: str) -> None:
    user.set_password("another")
    user.save()


def close_account(user: User, cookie: str) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def give_away(user: User, cookie: str) -> None:
    Conversation.objects.update(owner=User.objects.create_user("eve"))


ASKS_WHO_IT_IS = [
    "/api/messages/{message}/stream/",
    "/api/conversations/{conversation}/events/",
    "/streaming/signed-in/{message}/",
]
LOSSES = [log_out, run_out, change_password, close_account, give_away]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize(
    "path",
    ["/api/messages/{message}/stream/", "/streaming/signed-in/{message}/", "/api/conversations/{conversation}/events/"],
)
async def test_who_has_lost_the_right_to_look_is_sent_away(
    lose: Any, path: str, stream: PrismStream, application: Any, user: User, cookie: str
) -> None:
    exchange = Exchange(application, address(path, stream), cookie=cookie)
    await exchange.wait_for(b"Hello")

    await sync_to_async(lose)(user, cookie)
    body = await exchange.wait_for_end()
    again = Exchange(application, address(path, stream), cookie=cookie)
    await again.wait_for_end()

    assert not any(ending in body for ending in (b"event: complete", b"event: failed", b"event: cancelled"))
    assert again.status in (403, 404)


async def test_a_client_that_would_take_the_end_for_an_answer_is_told_of_an_error(
    stream: PrismStream, application: Any, user: User, cookie: str
) -> None:
    path = "/api/messages/{message}/stream/?dialect=openai"
    exchange = Exchange(application, address(path, stream), cookie=cookie)
    await exchange.wait_for(b"Hello")

    await sync_to_async(log_out)(user, cookie)
    body = await exchange.wait_for_end()

    assert b'"error"' in body
    assert b"[DONE]" not in body.split(b'"error"')[0]


async def test_a_view_that_lets_everybody_look_asks_nobody(
    stream: PrismStream, application: Any, user: User, cookie: str
) -> None:
    exchange = Exchange(application, address(FOLLOW, stream), cookie=cookie)
    await exchange.wait_for(b"Hello")
    watched = Exchange(application, address("/streaming/signed-in/{message}/", stream), cookie=cookie)
    await watched.wait_for(b"Hello")

    await sync_to_async(log_out)(user, cookie)
    await watched.wait_for_end()  # the round has been made; this viewer's leaving has stopped the answer, as asked

    assert b"event: cancelled" in await exchange.wait_for_end()


async def test_a_client_that_does_not_read_is_cut_off(stream: PrismStream, application: Any) -> None:
    exchange = Exchange(application, address(FOLLOW, stream))
    await exchange.wait_for(b"Hello")

    exchange.is_read = False
    await stream.aappend("more")
    await asyncio.wait_for(exchange.task, 60)

    assert not exchange.is_over
    assert await viewers_of(stream) == 0
    await stream.acomplete()
