"""Dialects over HTTP: headers, cursors, endings, and what a client is told that has lost its place."""

import json

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from converse_stream.consumers.events import FrameEncoder
from converse_stream.dialects import BUILT_IN, get_dialect
from converse_stream.exceptions import UnknownDialect
from converse_stream.models import Conversation, Message
from converse_stream.responses import EventStreamResponse, follow_response
from converse_stream.responses.body import Telling
from tests.dialects.answers import ID, reset
from tests.dialects.clients import read, sent

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Hello, wörld! 😀"
with_cursors = pytest.mark.parametrize("name", [name for name, known in BUILT_IN.items() if known.has_cursors])
without_cursors = pytest.mark.parametrize("name", [name for name, known in BUILT_IN.items() if not known.has_cursors])


@pytest.fixture
def message(conversation: Conversation) -> Message:
    source = [
        {"type": "reasoning", "text": "Hm."},
        "Hello, ",
        "wörld! ",
        {"type": "data", "name": "n", "value": 1},
        "😀",
    ]
    return conversation.ask("go", source=source).wait(60)


def get(query: str = "", **headers: str) -> HttpRequest:
    return RequestFactory().get(f"/?{query}", headers=headers)


def body(response: object) -> bytes:
    return b"".join(response)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_response_speaks_the_dialect_it_is_asked_for(message: Message, name: str) -> None:
    response = follow_response(get(f"dialect={name}"), message)

    assert response["Content-Type"] == BUILT_IN[name].content_type
    assert response["X-Accel-Buffering"] == "no"
    assert read(name, body(response)).text == TEXT


def test_a_response_carries_the_headers_of_its_dialect(message: Message) -> None:
    assert message.stream_response(dialect="ai-sdk")["x-vercel-ai-ui-message-stream"] == "v1"
    assert "x-vercel-ai-ui-message-stream" not in message.stream_response()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain;q=0.5", "text/plain; charset=utf-8"),
        ("application/json, text/plain, */*", "text/event-stream; charset=utf-8"),
        ("text/event-stream, text/plain", "text/event-stream; charset=utf-8"),
        ("nonsense", "text/event-stream; charset=utf-8"),
        ("", "text/event-stream; charset=utf-8"),
    ],
)
def test_who_accepts_nothing_but_plain_text_gets_it(message: Message, accept: str, content_type: str) -> None:
    assert follow_response(get(accept=accept), message)["Content-Type"] == content_type
    assert follow_response(get("dialect=openai", accept=accept), message)["Content-Type"].startswith("text/event")


@with_cursors
def test_a_reader_is_given_exactly_the_rest_from_any_place(message: Message, name: str) -> None:
    units = "\0\0\0Hello, wörld! \0😀"
    for position in range(len(units) + 1):
        told = body(follow_response(get(f"dialect={name}&after={position}"), message))

        assert read(name, told).text == units[position:].replace("\0", "")


@with_cursors
def test_a_reader_of_a_live_answer_is_given_the_rest_too(conversation: Conversation, name: str) -> None:
    with conversation.start_stream() as stream:
        stream.append("Hello, ").append("wörld").data("n", 1)
        response = stream.message.stream_response(dialect=name)
        first, seen = iter(response), b""
        while "wörld" not in read(name, seen).text:
            seen += next(first)
        cursor = read(name, seen).cursor
        response.close()

        then = iter(Message.objects.get(pk=stream.message.pk).stream_response(dialect=name, after=cursor))
        stream.append("! 😀")

    assert read(name, seen).text + read(name, b"".join(then)).text == "Hello, wörld! 😀"


@with_cursors
def test_behind_the_ending_there_is_no_content(message: Message, name: str) -> None:
    told = read(name, body(follow_response(get(f"dialect={name}"), message)))

    response = follow_response(get(f"dialect={name}", last_event_id=told.cursor), message)

    assert (told.cursor, response.status_code) == (f"{message.pk}.end", 204)


@without_cursors
def test_without_cursors_everybody_gets_everything(message: Message, name: str) -> None:
    for position in (0, 5, 1000):
        told = body(follow_response(get(f"dialect={name}&after={position}"), message))

        assert read(name, told).text == TEXT


@with_cursors
def test_a_cursor_nobody_gave_out_is_not_served_in_silence(conversation: Conversation, name: str) -> None:
    stream = conversation.start_stream()
    stream.append("Hello").data("n", 1)

    response = iter(stream.message.stream_response(dialect=name, after=f"{stream.message.pk}.end"))
    next(response)  # the prelude
    told = sent(next(response))

    assert told[0].event == "reset" if name == "native" else read(name, next_body(told)).ending == "failed"
    if name != "native":
        assert list(response) == []


def next_body(events: list) -> bytes:
    return "".join(f"id: {event.id}\nevent: {event.event}\ndata: {event.data}\n\n" for event in events).encode()


@with_cursors
def test_nor_is_it_over_a_websocket(name: str) -> None:
    frames = [json.loads(frame) for frame in FrameEncoder(ID, name, 100).encode(reset())]

    kinds = [frame["type"] for frame in frames]
    assert kinds == (["reset", "text", "failed"] if name == "native" else ["frame"])


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_failure_is_told_in_a_sentence_for_everybody(conversation: Conversation, name: str) -> None:
    """Seeds: P-03, A-10."""
    with pytest.raises(ZeroDivisionError), conversation.start_stream() as stream:
        stream.append("So far")
        raise ZeroDivisionError("secret")

    told = body(stream.message.stream_response(dialect=name))

    assert b"secret" not in told
    assert b"The answer failed because of an internal problem." in told


@pytest.mark.parametrize("name", BUILT_IN)
def test_silence_is_broken_by_what_no_client_shows(conversation: Conversation, settings, name: str) -> None:
    """Seeds: A-15."""
    settings.CONVERSE_STREAM = {"SSE_HEARTBEAT": 0.02}
    heartbeat = BUILT_IN[name].heartbeat
    stream = conversation.start_stream()
    stream.append("a").data("n", 1)
    response = iter(stream.message.stream_response(dialect=name))
    parts = [next(response)]
    while heartbeat and heartbeat not in parts:
        parts.append(next(response))
    stream.append("b")
    stream.complete()
    parts += response

    assert parts[-1] != heartbeat
    assert b"" not in parts
    assert read(name, b"".join(parts)).text == "ab"


def test_thinking_that_a_format_has_no_word_for_is_silence(message: Message, settings) -> None:
    settings.CONVERSE_STREAM = {"SSE_HEARTBEAT": 1e-9}
    thought = [event for event in message.follow() if event.kind == "reasoning"]

    assert Telling(message, 0, BUILT_IN["lightpack"]).tell(thought) == b":\n"
    assert Telling(message, 0, BUILT_IN["ai-sdk"]).tell(thought) != b":\n\n"


@pytest.mark.parametrize("name", BUILT_IN)
def test_only_who_can_come_back_is_sent_away_before_the_ending(conversation: Conversation, settings, name: str) -> None:
    settings.CONVERSE_STREAM = {"SSE_HEARTBEAT": 0.01, "SSE_MAX_SECONDS": 0.05}
    stream = conversation.start_stream()
    stream.append("So far").data("n", 1)
    parts = []
    response = iter(stream.message.stream_response(dialect=name))
    if BUILT_IN[name].has_cursors:
        parts += response
        assert read(name, b"".join(parts)).ending == ""
    else:
        parts += [next(response) for _ in range(6)] if BUILT_IN[name].heartbeat else [next(response)]
        stream.complete()
        parts += response
        assert read(name, b"".join(parts)).ending == ("complete" if BUILT_IN[name].heartbeat else "")
    assert read(name, b"".join(parts)).text == "So far"


@pytest.mark.parametrize("name", ["ai-sdk", "openai"])
async def test_a_client_that_takes_silence_for_success_is_told_when_the_message_is_deleted(
    conversation: Conversation, name: str
) -> None:
    async with conversation.astart_stream() as stream:
        await stream.aappend("So far")
        response = aiter(stream.message.stream_response(dialect=name))
        parts = [await anext(response)]
        await Message.objects.filter(pk=stream.message.pk).adelete()
        parts += [part async for part in response]

    assert read(name, b"".join(parts)).ending == "failed"


def test_a_dialect_of_the_sites_own_is_spoken_under_its_name(message: Message, settings) -> None:
    settings.CONVERSE_STREAM = {"DIALECTS": {"shout": "tests.dialects.own.Shout"}}

    told = sent(body(follow_response(get("dialect=shout"), message)))

    assert "".join(event.data for event in told) == TEXT.upper() + "[END]"
    assert told[-1].id == f"{message.pk}.end"


def test_a_site_can_put_its_own_in_the_place_of_ours(message: Message, settings) -> None:
    settings.CONVERSE_STREAM = {"DIALECTS": {"native": "tests.dialects.own.Shout"}}

    assert b"HELLO" in body(message.stream_response())


def test_an_unknown_dialect_names_those_that_are_known(settings) -> None:
    settings.CONVERSE_STREAM = {"DIALECTS": {"shout": "tests.dialects.own.Shout"}}

    with pytest.raises(UnknownDialect, match=r"'klingon'.*native.*ai-sdk.*shout"):
        get_dialect("klingon")


def test_a_dialect_answers_to_the_name_that_others_have_for_it() -> None:
    assert get_dialect("vercel") is get_dialect("ai-sdk")


def test_a_dialect_can_be_given_as_it_is(message: Message) -> None:
    response = EventStreamResponse(message, dialect=BUILT_IN["text"])

    assert body(response).decode() == TEXT
