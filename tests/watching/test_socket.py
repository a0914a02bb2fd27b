"""Watching conversations over a WebSocket."""

import json

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from converse_stream.models import Conversation, Message
from tests.records import Echo, answered

pytestmark = pytest.mark.django_db(transaction=True)


async def watch(socket, conversation, **fields):
    await socket.say("watch", conversation=str(conversation.pk), **fields)


def kinds(frames):
    return [frame["type"] for frame in frames]


async def test_whatever_happens_in_a_conversation_arrives_in_order(connect, conversation, settings):
    """Seeds: V-21, A-13."""
    settings.CONVERSE_STREAM = {"PROVIDERS": {"echo": Echo("echo")}, "DEFAULT_MODEL": "echo"}
    watching, asking = await connect(), await connect()
    await watch(watching, conversation)
    first = await watching.hear()

    await asking.say("ask", conversation=str(conversation.pk), content="one two")
    frames = await watching.hear_until("complete")

    pk = str(conversation.pk)
    assert first == {"type": "conversation", "conversation": pk, "title": "", "id": first["id"]}
    assert kinds(frames)[:2] == ["message", "start"]
    assert set(kinds(frames)[2:-1]) == {"text"}
    assert {frame["conversation"] for frame in frames} == {pk}
    assert frames[0]["message"]["content"] == "one two"
    assert {frame["message_id"] for frame in frames[1:]} == {frames[1]["message"]["id"]}
    assert "".join(frame.get("text", "") for frame in frames) == frames[-1]["message"]["content"] == "one two "


async def test_the_conversation_may_be_watched_through_the_socket_that_asks(connect, conversation, settings):
    settings.CONVERSE_STREAM = {"PROVIDERS": {"echo": Echo("echo")}, "DEFAULT_MODEL": "echo"}
    socket = await connect()
    await watch(socket, conversation)
    await socket.hear()

    await socket.say("ask", conversation=str(conversation.pk), content="one two", id=1)
    frames = await socket.hear_until("complete")
    while "reply" not in kinds(frames):  # the answer may be over before who asked has been told of it
        frames.append(await socket.hear())

    assert kinds(frames).count("reply") == 1
    assert [kind for kind in kinds(frames) if kind not in ("reply", "text")] == ["message", "start", "complete"]


async def test_a_cut_after_any_frame_costs_nothing(connect, conversation):
    await conversation.aadd_user_message("Count!")
    stream = await conversation.astart_stream()
    socket, cursor, seen = await connect(), None, []

    for word in ("one ", "two ", "three"):
        await stream.aappend(word)
        while not seen or seen[-1].get("text") != word:
            await watch(socket, conversation, after=cursor)
            seen.append(await socket.hear())
            await socket.say("unwatch", conversation=str(conversation.pk), id="out")
            while (await socket.hear()).get("id") != "out":
                pass  # what had been on its way, and comes again
            cursor = seen[-1]["id"]
    await stream.acomplete()
    await watch(socket, conversation, after=cursor)
    seen.append(await socket.hear())

    assert kinds(seen) == ["conversation", "message", "start", "text", "text", "text", "complete"]


async def test_tool_calls_keep_their_own_id(connect, conversation):
    socket = await connect()
    await watch(socket, conversation)
    await socket.hear()

    async with conversation.astart_stream() as stream:
        await stream.atool_call("call_1", "weather", {"city": "Oslo"})
    frames = await socket.hear_until("complete")

    assert (frames[1]["type"], frames[1]["call_id"], frames[1]["start"]) == ("tool_call", "call_1", 0)
    assert frames[1]["id"] != "call_1"


async def test_a_second_watch_replaces_the_first_and_unwatch_ends_it(connect, conversation):
    socket = await connect()
    await watch(socket, conversation, id=1)
    reply, first = [await socket.hear(), await socket.hear()]
    await watch(socket, conversation, after=first["id"], id=2)
    assert (await socket.hear())["id"] == 2

    await conversation.aadd_user_message("Hi")
    frame = await socket.hear()
    assert await socket.hears_nothing_before_the_pong()
    await socket.say("unwatch", conversation=str(conversation.pk), id=3)
    assert (await socket.hear())["id"] == 3
    await conversation.aadd_user_message("Anybody?")

    assert (reply["type"], reply["id"], reply["request"]["conversation"]) == ("reply", 1, str(conversation.pk))
    assert frame["type"] == "message"
    assert await socket.hears_nothing_before_the_pong()


async def test_messages_and_conversations_share_a_socket_without_mixing(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear_until("start")
    await watch(socket, conversation)
    await socket.hear_until("start")

    await stream.aappend("word")
    frames = [await socket.hear(), await socket.hear()]

    assert [frame["text"] for frame in frames] == ["word", "word"]
    assert sorted(frame.get("conversation", "") for frame in frames) == ["", str(conversation.pk)]
    await stream.acomplete()


async def test_a_reset_carries_no_message_where_everything_begins_anew(connect, conversation):
    await conversation.aadd_user_message("Hi")
    socket = await connect()

    await watch(socket, conversation, after=f"{str(conversation.pk)[:8]}.999.1.00000000")
    frames = await socket.hear_until("message")

    assert kinds(frames) == ["reset", "conversation", "message"]
    assert set(frames[0]) == {"type", "id", "conversation"}


@pytest.mark.parametrize("after", ["x", -1, True, 1.5, [1], "00000000.1.1.00000000", 10**20])
async def test_a_malformed_cursor_leaves_an_earlier_watch_alone(connect, conversation, after):
    socket = await connect()
    await watch(socket, conversation)
    await socket.hear()

    await watch(socket, conversation, after=after, id="bad")
    refusal = await socket.hear()
    await conversation.aadd_user_message("Hi")

    assert (refusal["code"], refusal["id"]) == ("bad_cursor", "bad")
    assert (await socket.hear())["type"] == "message"


async def test_a_socket_watches_a_limited_number_of_conversations(connect, owner):
    socket = await connect(max_follows=2)
    conversations = [await Conversation.objects.acreate(owner=owner) for _ in range(3)]
    for conversation in conversations[:2]:
        await watch(socket, conversation)
        await socket.hear()

    await watch(socket, conversations[2])

    assert (await socket.hear())["code"] == "too_many_follows"


@pytest.mark.parametrize("how", ["deleted", "taken out", "given away"])
async def test_who_loses_the_conversation_is_told_and_the_socket_ends(connect, conversation, stranger, how):
    socket = await connect()
    await watch(socket, conversation, id="w")
    await socket.hear_until("conversation")
    rows = Conversation.objects.filter(pk=conversation.pk)

    if how == "deleted":
        await rows.adelete()
    else:
        await rows.aupdate(**({"owner": stranger} if how == "given away" else {"deleted_at": timezone.now()}))
    refusal = await socket.hear()

    assert (refusal["code"], refusal["id"], refusal["message"]) == (
        "not_found", "w", "This conversation does not exist.",
    )  # fmt: skip
    assert (await socket.is_closed_with())[0] == 4404


async def test_a_system_message_is_told_to_nobody(connect, conversation):
    socket = await connect()
    await watch(socket, conversation)
    await socket.hear()

    await conversation.aadd_system_message("Never tell anybody.")
    await conversation.aadd_user_message("Hi")

    frame = await socket.hear()
    assert (frame["type"], frame["message"]["number"]) == ("message", 2)


async def test_nothing_private_is_in_a_frame(connect, conversation, settings):
    settings.CONVERSE_STREAM = {"PUBLIC_METADATA": ("seen",)}
    await Conversation.objects.filter(pk=conversation.pk).aupdate(system_prompt="secret", metadata={"a": "secret"})
    await conversation.aadd_user_message("Hi", metadata={"seen": 1, "hidden": "secret"})
    await sync_to_async(answered)(conversation)
    socket = await connect()

    await watch(socket, conversation)
    frames = [await socket.hear() for _ in range(3)]

    assert "secret" not in json.dumps(frames)
    assert frames[1]["message"]["metadata"] == {"seen": 1}


async def test_too_many_viewers_are_told_so(connect, conversation, settings, owner):
    settings.CONVERSE_STREAM = {"MAX_VIEWERS_PER_USER": 1}
    first = await connect()
    second = await connect()

    refusal = await second.hear()

    assert refusal["code"] == "too_many_viewers"
    assert await second.is_closed_with() == (4429, "too many viewers")
    assert await first.hears_nothing_before_the_pong()
    await first.disconnect(timeout=60)
    third = await connect()
    assert await third.hears_nothing_before_the_pong()
    assert not await Message.objects.aexists()
