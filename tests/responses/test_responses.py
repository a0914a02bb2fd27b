import gzip
import re
from collections.abc import Iterator

import pytest
from django.http import HttpRequest
from django.middleware.gzip import GZipMiddleware
from django.test import RequestFactory

from converse_stream.exceptions import MalformedCursor, UnknownDialect
from converse_stream.models import Conversation, Message, Status
from converse_stream.responses import EventStreamResponse, follow_response
from converse_stream.testing import Follower

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def message(conversation: Conversation) -> Message:
    return conversation.ask("go", source=["Hello ", "wörld"]).wait(60)


def get(path: str = "/", **headers: str) -> HttpRequest:
    return RequestFactory().get(path, headers=headers)


def test_the_headers_let_nobody_hold_the_stream_back(message: Message) -> None:
    """Seeds: B-07."""
    response = message.stream_response()

    assert response["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response["Cache-Control"] == "no-cache, no-transform"
    assert response["X-Accel-Buffering"] == "no"
    assert response["Content-Encoding"] == "identity"
    assert "Connection" not in response
    assert response.streaming
    assert response.message is message


def test_the_body_is_a_whole_native_stream(message: Message) -> None:
    body = b"".join(message.stream_response())

    follower = Follower().read([body])
    assert re.match(rb"retry: [1-4][0-9]{3}\nid: ", body)
    assert (follower.text, follower.ending) == ("Hello wörld", "complete")
    assert follower.message == message.to_dict()


@pytest.mark.parametrize("cursor", ["3", "{id}.3"])
def test_a_cursor_is_taken_from_the_query_or_the_header(message: Message, cursor: str) -> None:
    cursor = cursor.format(id=message.pk)

    for request in (get(f"/?after={cursor}"), get(last_event_id=cursor)):
        body = b"".join(follow_response(request, message))  # type: ignore[call-overload]
        assert Follower(f"{message.pk}.3").read([body]).text == "lo wörld"


def test_behind_the_ending_there_is_no_content(message: Message) -> None:
    assert follow_response(get(last_event_id=f"{message.pk}.end"), message).status_code == 204


@pytest.mark.parametrize("query", ["after=x", "after=%00", "after=-1", "dialect=klingon"])
def test_a_cursor_or_dialect_that_is_none_is_a_bad_request(message: Message, query: str) -> None:
    response = follow_response(get(f"/?{query}"), message)

    assert response.status_code == 400
    assert response["Content-Type"] == "application/json"


def test_errors_are_raised_before_the_first_byte(message: Message) -> None:
    with pytest.raises(MalformedCursor):
        EventStreamResponse(message, after="x")
    with pytest.raises(UnknownDialect):
        message.stream_response(dialect="klingon")
    with pytest.raises(ValueError, match="on_disconnect"):
        message.stream_response(on_disconnect="explode")


def test_a_silent_answer_sends_heartbeats(conversation: Conversation, settings) -> None:
    """Seeds: B-07, A-15."""
    settings.CONVERSE_STREAM = {"SSE_HEARTBEAT": 0.05}
    stream = conversation.start_stream()
    response = stream.message.stream_response()
    body = iter(response)

    prelude, start, heartbeat = next(body), next(body), next(body)

    assert prelude.startswith(b"retry:")
    assert b"event: start" in start
    assert heartbeat == b":\n"
    response.close()


def test_a_response_ends_itself_at_its_maximum_age_without_an_ending(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"SSE_HEARTBEAT": 0.05, "SSE_MAX_SECONDS": 0.2}
    stream = conversation.start_stream()

    follower = Follower().read(stream.message.stream_response())

    assert (follower.ending, follower.cursor) == ("", f"{stream.message.pk}.0")
    assert Message.objects.get(pk=stream.message.pk).status == Status.STREAMING


@pytest.mark.parametrize(("policy", "status"), [("continue", Status.STREAMING), ("cancel", Status.CANCELLED)])
def test_leaving_early_stops_the_answer_only_if_asked_to(
    conversation: Conversation, policy: str, status: Status
) -> None:
    """Seeds: C-17."""
    stream = conversation.start_stream()
    stream.append("x").data("mark", 1)
    response = stream.message.stream_response(on_disconnect=policy)
    body = iter(response)
    next(body)
    next(body)

    response.close()

    if policy == "cancel":
        assert Message.objects.get(pk=stream.message.pk).wait(60).status == status
    assert Message.objects.get(pk=stream.message.pk).status == status


def test_gzip_leaves_the_stream_alone(message: Message) -> None:
    request = get(accept_encoding="gzip")

    response = GZipMiddleware(lambda _: message.stream_response())(request)

    assert response["Content-Encoding"] == "identity"
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(b"".join(response))


def upper_sync(body: Iterator[bytes]) -> Iterator[bytes]:
    for part in body:
        yield part.upper()


async def upper_async(body):
    async for part in body:
        yield part.upper()


@pytest.mark.parametrize("wrap", [upper_sync, upper_async])
async def test_a_middleware_may_wrap_the_body_either_way(message: Message, wrap) -> None:
    response = message.stream_response()
    response.streaming_content = wrap(response.streaming_content)

    body = b"".join([part async for part in response])

    assert b"EVENT: COMPLETE" in body


@pytest.mark.parametrize("wrap", [upper_sync, upper_async])
def test_a_wrapped_body_is_served_by_a_sync_server_too(message: Message, wrap) -> None:
    response = message.stream_response()
    response.streaming_content = wrap(response.streaming_content)

    assert b"EVENT: COMPLETE" in b"".join(response)


async def test_an_async_server_streams_it(message: Message) -> None:
    response = message.stream_response()

    assert response.is_async
    assert (await Follower().aread(response)).text == "Hello wörld"
