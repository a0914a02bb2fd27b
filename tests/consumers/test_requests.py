"""Asking over a socket, asking again, and how a client knows which answer is to which of its frames."""

import pytest
from asgiref.sync import sync_to_async

from converse_stream.consumers.frames import LONGEST_ID
from converse_stream.models import Conversation, Message
from converse_stream.providers.codecs.sse import SSEDecoder
from tests.records import Echo, answered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def echo(settings):
    settings.CONVERSE_STREAM = {"PROVIDERS": {"echo": Echo("echo")}, "DEFAULT_MODEL": "echo", "MAX_PROMPT_CHARS": 50}


async def ask(socket, conversation, content="one two three", **fields):
    await socket.say("ask", conversation=str(conversation.pk), content=content, **fields)
    return await socket.hear()


async def test_a_question_is_answered_by_both_messages_and_then_followed(connect, conversation):
    """Seeds: F-07."""
    socket = await connect()

    reply = await ask(socket, conversation, id=7)
    await socket.say("follow", reply["message"]["id"])
    frames = await socket.hear_until("complete")

    assert (reply["type"], reply["id"]) == ("reply", 7)
    assert reply["request"] == {"type": "ask", "conversation": str(conversation.pk)}
    assert reply["user_message"]["content"] == "one two three"
    assert reply["message"]["parent"] == reply["user_message"]["id"]
    assert frames[-1]["message"]["content"] == "one two three "


async def test_the_answer_goes_on_when_the_socket_that_asked_is_gone(connect, conversation):
    socket = await connect()
    reply = await ask(socket, conversation)

    await socket.disconnect(timeout=60)
    message = await (await Message.objects.aget(pk=reply["message"]["id"])).await_ending(10)

    assert (message.status, message.content) == ("complete", "one two three ")


async def test_a_question_names_a_model_and_options(connect, conversation, settings):
    settings.CONVERSE_STREAM |= {"DEFAULT_MODEL": "demo"}
    socket = await connect()

    reply = await ask(socket, conversation, model="echo:loud", options={"temperature": 0.5, "top_p": 0.9})

    assert (reply["message"]["provider"], reply["message"]["model"]) == ("echo", "loud")


async def test_the_same_question_under_one_key_is_asked_once(connect, conversation):
    here, there = await connect(), await connect()

    first = await ask(here, conversation, client_key="k1")
    again = await ask(there, conversation, client_key="k1")
    other = await ask(there, conversation, "four", client_key="k1")

    assert again["message"]["id"] == first["message"]["id"]
    assert other["code"] == "idempotency_mismatch"
    assert await Message.objects.acount() == 2


@pytest.mark.parametrize("kind", ["retry", "regenerate"])
async def test_an_answer_is_given_again_beside_the_first(connect, conversation, kind):
    socket = await connect()
    first = (await ask(socket, conversation))["message"]
    await (await Message.objects.aget(pk=first["id"])).await_ending(10)

    await socket.say(kind, first["id"], id="again")
    reply = await socket.hear()

    assert (reply["type"], reply["id"]) == ("reply", "again")
    assert reply["message"]["id"] != first["id"]
    assert reply["message"]["parent"] == first["parent"]


async def test_only_one_answer_is_written_at_a_time(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()

    refusal = await ask(socket, conversation, id=1)
    await stream.acomplete()

    assert (refusal["type"], refusal["code"], refusal["id"]) == ("error", "busy", 1)
    assert refusal["live_message"] == str(stream.message.pk)
    assert await Message.objects.acount() == 1


@pytest.mark.parametrize("kind", ["ask", "retry", "regenerate"])
@pytest.mark.parametrize(
    ("when_busy", "fields", "interrupts"),
    [
        ("refuse", {"interrupt": True}, True),
        ("interrupt", {}, True),
        ("interrupt", {"interrupt": False}, False),
        ("refuse", {"interrupt": None}, False),
    ],
)
async def test_a_live_answer_is_stopped_for_another_where_the_client_or_the_site_says_so(
    connect, conversation, settings, kind, when_busy, fields, interrupts
):
    settings.CONVERSE_STREAM |= {"WHEN_BUSY": when_busy}
    socket = await connect()
    first = (await ask(socket, conversation))["message"]["id"]
    await (await Message.objects.aget(pk=first)).await_ending(10)
    stream = await conversation.astart_stream()

    about = {"conversation": str(conversation.pk), "content": "Hi"} if kind == "ask" else {"message": first}
    await socket.say(kind, **about, **fields)
    answer = await socket.hear()

    live = await Message.objects.aget(pk=stream.message.pk)
    assert answer.get("code") == (None if interrupts else "busy")
    assert live.status == ("cancelled" if interrupts else "streaming")
    if not interrupts:
        await stream.acomplete()


async def test_to_regenerate_is_to_ask_the_model_of_the_conversation(connect, conversation):
    socket = await connect()
    first = (await ask(socket, conversation, model="echo:loud"))["message"]["id"]
    await (await Message.objects.aget(pk=first)).await_ending(10)
    conversation.model = "echo:quiet"
    await conversation.asave()

    models = {}
    for kind in ("retry", "regenerate"):
        await socket.say(kind, first)
        message = (await socket.hear())["message"]
        models[kind] = message["model"]
        await (await Message.objects.aget(pk=message["id"])).await_ending(10)

    assert models == {"retry": "loud", "regenerate": "quiet"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"interrupt": "yes"}, "bad_request"),
        ({"interrupt": 1}, "bad_request"),
        ({"content": None}, "invalid"),
        ({"content": ""}, "invalid"),
        ({"content": " \n"}, "invalid"),
        ({"content": 7}, "bad_request"),
        ({"content": ["one"]}, "bad_request"),
        ({"content": "x" * 51}, "too_large"),
        ({"model": "nobody"}, "unknown_model"),
        ({"model": "echo\0:\ud800"}, "unknown_model"),
        ({"model": {"name": "echo"}}, "bad_request"),
        ({"options": []}, "invalid_options"),
        ({"options": {"api": "secret"}}, "invalid_options"),
        ({"options": {"model": "demo"}}, "invalid_options"),
        ({"options": {"temperature": "hot"}}, "invalid_options"),
        ({"options": {"stop": {"a": [[[]]]}}}, "invalid_options"),
        ({"client_key": ""}, "invalid"),
        ({"client_key": 7}, "bad_request"),
        ({"role": "system"}, "bad_request"),
        ({"metadata": {}}, "bad_request"),
        ({"conversation": None}, "bad_request"),
        ({"conversation": "x"}, "not_found"),
    ],
    ids=repr,
)
async def test_a_question_that_cannot_be_asked_is_refused_and_nothing_is_stored(connect, conversation, fields, code):
    socket = await connect()

    frame = {"conversation": str(conversation.pk), "content": "Hi", "id": "q"} | fields
    await socket.say("ask", **frame)
    refusal = await socket.hear()

    assert (refusal["type"], refusal["code"], refusal["id"]) == ("error", code, "q")
    assert await socket.hears_nothing_before_the_pong()
    assert not await Message.objects.aexists()


async def test_what_was_not_asked_of_a_provider_is_not_given_again(connect, conversation):
    message = await sync_to_async(answered)(conversation)
    question = await conversation.aadd_user_message("Why?")
    socket = await connect()

    for kind, pk, code in [
        ("retry", message.pk, "nothing_to_answer"),
        ("regenerate", message.pk, "nothing_to_answer"),
        ("retry", question.pk, "invalid"),
    ]:
        await socket.say(kind, pk)
        assert (await socket.hear())["code"] == code


async def test_a_question_is_answered_once_more_with_another_model(connect, conversation):
    question = await conversation.aadd_user_message("one two")
    socket = await connect()

    await socket.say("regenerate", question, model="echo:loud", options={"temperature": 1})
    reply = await socket.hear()

    assert (reply["message"]["model"], reply["message"]["parent"]) == ("loud", str(question.pk))


@pytest.mark.parametrize("id", ["", "a" * LONGEST_ID, "ü\u2028", 0, -7, 2**53])
async def test_an_id_comes_back_with_every_reply_and_every_error(connect, conversation, id):
    message = await sync_to_async(answered)(conversation)
    socket = await connect()
    known, unknown = str(message.pk), "00000000-0000-4000-8000-000000000000"

    for kind, about, answer in [
        ("ping", None, "pong"),
        ("unfollow", known, "reply"),
        ("cancel", known, "reply"),
        ("cancel", unknown, "error"),
        ("follow", unknown, "error"),
        ("follow", 7, "error"),
        ("dance", None, "error"),
        ("follow", known, "reply"),
    ]:
        await socket.say(kind, about, id=id)
        frame = await socket.hear()
        assert (frame["type"], frame["id"]) == (answer, id), kind


@pytest.mark.parametrize("id", ["a" * (LONGEST_ID + 1), 2**53 + 1, 1.5, True, [], {"a": 1}])
async def test_an_id_that_is_none_is_refused(connect, id):
    socket = await connect()

    await socket.say("ping", id=id)
    refusal = await socket.hear()

    assert (refusal["code"], "id" in refusal) == ("bad_request", False)


async def test_the_reply_to_a_follow_comes_before_its_events(connect, conversation):
    message = await sync_to_async(answered)(conversation)
    socket = await connect()

    await socket.say("follow", message, id="f")
    frames = await socket.hear_until("complete")

    assert [frame["type"] for frame in frames] == ["reply", "start", "text", "complete"]
    assert frames[0] == {"type": "reply", "id": "f", "request": {"type": "follow", "message": str(message.pk)}}


async def test_the_reply_to_a_stop_tells_the_message(connect, conversation):
    stream = await conversation.astart_stream()
    socket = await connect()
    await socket.say("follow", stream.message)
    await stream.aappend("So far")
    await socket.hear_until("text")
    await socket.say("unfollow", stream.message)

    await socket.say("cancel", stream.message, id=1)
    reply = await socket.hear()

    assert (reply["message"]["status"], reply["message"]["content"]) == ("cancelled", "So far")


async def test_too_many_requests_at_once_are_refused(connect, conversation):
    socket = await connect(max_follows=0)

    refusal = await ask(socket, conversation)

    assert refusal["code"] == "too_many_requests"


async def test_a_question_too_many_for_the_site_is_told_when_to_come_again(connect, conversation, settings):
    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "MAX_LIVE_ANSWERS": 1}
    other = await Conversation.objects.acreate()
    await other.astart_stream()
    socket = await connect()

    refusal = await ask(socket, conversation)

    assert (refusal["code"], refusal["retry_after"]) == ("site_full", 5)


def over_http(message, dialect):
    """Return what a client of this dialect takes out of a response: its text, or the data of its events."""
    body = b"".join(message.stream_response(dialect=dialect))
    return [body.decode()] if dialect == "text" else [event.data for event in SSEDecoder().feed(body)]


@pytest.mark.parametrize("dialect", ["text", "openai", "ai-sdk"])
async def test_another_dialect_says_over_frames_what_it_says_over_http(connect, conversation, dialect):
    message = await sync_to_async(answered)(conversation, "Hello, wörld")
    expected = await sync_to_async(over_http)(message, dialect)
    socket = await connect()

    await socket.say("follow", message, dialect=dialect)
    frames = [await socket.hear() for _ in expected]

    assert {(frame["type"], frame["message"]) for frame in frames} == {("frame", str(message.pk))}
    assert [frame["data"] for frame in frames] == expected
    assert await socket.hears_nothing_before_the_pong()


async def test_an_unknown_dialect_is_refused(connect, conversation):
    message = await sync_to_async(answered)(conversation)
    socket = await connect()

    for dialect, code in [("klingon", "bad_dialect"), (7, "bad_request"), ("x" * 5000, "bad_dialect")]:
        await socket.say("follow", message, dialect=dialect)
        assert (await socket.hear())["code"] == code


async def test_a_conversation_of_somebody_else_is_not_asked(connect, stranger, conversation):
    socket = await connect(stranger)

    refusal = await ask(socket, conversation, id=1)

    assert refusal == {
        "type": "error",
        "id": 1,
        "code": "not_found",
        "message": "This conversation does not exist.",
        "request": {"type": "ask", "conversation": str(conversation.pk)},
    }
    assert not await Message.objects.aexists()
    assert (await Conversation.objects.aget()).last_number == 0


@pytest.mark.parametrize(
    ("choice", "code"),
    [({"model": "echo:large"}, "unknown_model"), ({"options": {"max_tokens": 9}}, "invalid_options")],
    ids=str,
)
async def test_a_client_chooses_among_what_the_site_allows(connect, conversation, settings, choice, code):
    settings.CONVERSE_STREAM |= {"CLIENT_MODELS": ["echo:small"], "CLIENT_OPTIONS": ["temperature"]}
    socket = await connect()

    refused = await ask(socket, conversation, **choice)
    allowed = await ask(socket, conversation, model="echo:small", options={"temperature": 0.5})

    assert refused["code"] == code
    assert allowed["message"]["model"] == "small"
