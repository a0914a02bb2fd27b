"""Following, leaving and stopping answers over one socket."""

import asyncio
import threading
from itertools import pairwise

import pytest
from asgiref.sync import sync_to_async
from django.db.backends.utils import CursorWrapper

from converse_stream.consumers import ConverseConsumer
from converse_stream.models import Conversation, Message
from converse_stream.testing import ReplayServer
from tests.recordings import plain_recordings
from tests.records import answered

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Hello, wörld \U0001f600 data: [DONE]\n\nevent: x \u2028 end"


def text_of(frames):
    return "".join(frame.get("text", "") for frame in frames)


async def written(conversation, text=TEXT):
    return await sync_to_async(answered)(conversation, text)


async def test_a_live_answer_arrives_in_order_as_it_is_written(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)

    frames = [await socket.hear()]
    for character in TEXT:
        await stream.aappend(character)
        frames.append(await socket.hear())
    await stream.acomplete()
    frames += await socket.hear_until("complete")

    assert [frame["type"] for frame in frames] == ["start", *["text"] * len(TEXT), "complete"]
    assert text_of(frames) == TEXT
    assert all(frame["start"] == before["start"] + len(before.get("text", "")) for before, frame in pairwise(frames))
    assert frames[-1]["message"]["content"] == TEXT


async def test_a_finished_answer_arrives_whole(connect, conversation):
    message = await written(conversation)
    socket = await connect()

    await socket.say("follow", message)
    frames = await socket.hear_until("complete")

    assert [frame["type"] for frame in frames] == ["start", "text", "complete"]
    assert text_of(frames) == TEXT
    assert [frame["id"] for frame in frames] == [f"{message.pk}.{end}" for end in (0, len(TEXT), "end")]


async def test_a_cut_after_any_event_costs_nothing(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()
    cursor, seen = None, ""

    for word in ("one ", "two ", "three"):
        await stream.aappend(word)
        await socket.say("follow", stream.message, after=cursor)
        frame = await socket.hear()
        frame = await socket.hear() if frame["type"] == "start" else frame
        await socket.say("unfollow", stream.message)
        assert await socket.hears_nothing_before_the_pong()  # or the next word might come twice
        cursor, seen = frame["id"], seen + frame["text"]
    await stream.acomplete()
    await socket.say("follow", stream.message, after=cursor)
    last = await socket.hear_until("complete")

    assert seen + text_of(last) == "one two three"
    assert [frame["type"] for frame in last] == ["complete"]


@pytest.mark.parametrize("after", [6, "6", "{}.6"])
async def test_a_cursor_is_a_position_or_what_came_as_id(connect, conversation, after):
    message = await written(conversation)
    socket = await connect()

    await socket.say("follow", message, after=after.format(message.pk) if isinstance(after, str) else after)
    frames = await socket.hear_until("complete")

    assert (frames[0]["start"], text_of(frames)) == (6, TEXT[6:])


async def test_behind_the_ending_there_is_nothing_left(connect, conversation):
    message = await written(conversation)
    socket = await connect()

    await socket.say("follow", message, after=f"{message.pk}.end")

    assert await socket.hear() == {"type": "end", "message": str(message.pk)}
    assert await socket.hears_nothing_before_the_pong()


async def test_a_tool_call_keeps_its_own_id_beside_the_cursor(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()
    await stream.atool_call("call_1", "weather", {"city": "Oslo"})
    await socket.say("follow", stream.message)

    _start, frame = [await socket.hear(), await socket.hear()]

    assert frame == {
        "type": "tool_call",
        "id": f"{stream.message.pk}.1",
        "call_id": "call_1",
        "start": 0,
        "name": "weather",
        "arguments": {"city": "Oslo"},
    }
    await stream.acomplete()


async def test_the_id_of_a_message_may_be_spelled_in_any_way(connect, conversation):
    message = await written(conversation)
    socket = await connect()

    await socket.say("follow", message.pk.hex.upper())

    assert (await socket.hear())["message"]["id"] == str(message.pk)


async def test_many_messages_share_a_socket_without_mixing(connect, owner):
    socket = await connect()
    streams = []
    for _ in range(5):
        conversation = await Conversation.objects.acreate(owner=owner)
        streams.append(await conversation.astart_stream())
        await socket.say("follow", streams[-1].message)

    for word in "abc":
        await asyncio.gather(*(stream.aappend(f"{word}{n}") for n, stream in enumerate(streams)))
    await asyncio.gather(*(stream.acomplete() for stream in streams))
    endings, texts = 0, {str(stream.message.pk): "" for stream in streams}
    while endings < 5:
        frame = await socket.hear()
        texts[frame["id"].split(".")[0]] += frame.get("text", "")
        endings += frame["type"] == "complete"

    assert list(texts.values()) == [f"a{n}b{n}c{n}" for n in range(5)]


async def test_a_second_follow_replaces_the_first(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()
    for _ in range(3):
        await socket.say("follow", stream.message)
        assert (await socket.hear())["type"] == "start"

    await stream.adata("progress", 1)

    assert (await socket.hear())["type"] == "data"
    assert await socket.hears_nothing_before_the_pong()
    await stream.acomplete()
    assert (await socket.hear())["type"] == "complete"


async def test_after_unfollow_nothing_comes(connect, conversation):
    leaving, staying = await connect(), await connect()
    stream = await conversation.astart_stream()
    for socket in (leaving, staying):
        await socket.say("follow", stream.message)
        await socket.hear()

    await leaving.say("unfollow", stream.message)
    await leaving.say("unfollow", stream.message)
    assert await leaving.hears_nothing_before_the_pong()
    await stream.adata("progress", 1)
    await staying.hear()

    assert await leaving.hears_nothing_before_the_pong()
    await stream.acomplete()


async def test_a_stop_ends_the_answer_for_every_follower(connect, conversation):
    stopping, watching = await connect(), await connect()
    stream = await conversation.astart_stream()
    await stream.aappend("So far")
    for socket in (stopping, watching):
        await socket.say("follow", stream.message)
        await socket.hear_until("text")

    await stopping.say("cancel", stream.message)

    for socket in (stopping, watching):
        ending = await socket.hear()
        assert (ending["type"], ending["message"]["content"]) == ("cancelled", "So far")


async def test_stopping_twice_is_no_error(connect, conversation):
    message = await written(conversation)
    socket = await connect()

    await socket.say("cancel", message)
    await socket.say("cancel", message)
    await socket.say("follow", message)

    assert [frame["type"] for frame in await socket.hear_until("complete")] == ["start", "text", "complete"]


async def test_leaving_is_not_stopping(connect, conversation):
    """Seeds: A-04."""
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear()

    await socket.disconnect(timeout=60)
    await stream.aappend("still here")
    message = await stream.acomplete()

    assert (message.status, message.content) == ("complete", "still here")


async def test_a_message_that_is_deleted_is_not_found_any_more(connect, conversation):
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear()

    await Conversation.objects.filter(pk=conversation.pk).adelete()

    frame = await socket.hear()
    assert (frame["type"], frame["code"]) == ("error", "not_found")


async def test_a_socket_follows_a_limited_number_of_messages(connect, owner):
    socket = await connect()
    messages = []
    for _ in range(ConverseConsumer.max_follows + 1):
        conversation = await Conversation.objects.acreate(owner=owner)
        messages.append((await conversation.astart_stream()).message)
    for message in messages[:-1]:
        await socket.say("follow", message)
        assert (await socket.hear())["type"] == "start"

    await socket.say("follow", messages[-1])
    refusal = await socket.hear()
    await socket.say("unfollow", messages[0])
    await socket.say("follow", messages[-1])

    assert (refusal["type"], refusal["code"]) == ("error", "too_many_follows")
    assert (await socket.hear())["type"] == "start"


async def test_frames_cost_no_database_work(connect, conversation, monkeypatch):
    threads = set()
    execute = CursorWrapper.execute

    def noted(self, *args, **kwargs):
        threads.add(threading.current_thread().name)
        return execute(self, *args, **kwargs)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear()

    threads.clear()
    for number in range(20):
        await stream.adata("progress", number)
        await socket.hear()

    # The writer's commits and the one reader of the process; nothing on behalf of this socket.
    assert threads <= {"converse-recorder", "converse-feed"}
    monkeypatch.undo()
    await stream.acomplete()


async def test_nothing_is_left_when_the_client_has_gone(connect, conversation):
    before = asyncio.all_tasks()
    socket = await connect()
    stream = await conversation.astart_stream()
    await socket.say("follow", stream.message)
    await socket.hear()
    during = asyncio.all_tasks()

    await socket.disconnect(timeout=60)

    assert len(during) > len(before)
    assert asyncio.all_tasks() == before
    await stream.acomplete()


async def test_a_client_that_vanishes_mid_frame_leaves_nothing(connect, conversation, owner):
    stream = await conversation.astart_stream()
    before = asyncio.all_tasks()
    gone = asyncio.Event()

    async def send(message):
        if message["type"] == "websocket.send":
            gone.set()
            raise OSError("client disconnected")

    sent = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": _follow(stream.message)}]

    async def receive():
        if sent:
            return sent.pop(0)
        await gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    socket = await connect()
    scope = {**socket.scope, "path": "/ws/converse/"}
    await socket.disconnect(timeout=60)

    await asyncio.wait_for(socket.application(scope, receive, send), 10)

    assert asyncio.all_tasks() == before
    await stream.acomplete()


def _follow(message: Message) -> str:
    return f'{{"type": "follow", "message": "{message.pk}"}}'


@pytest.mark.parametrize("recording", plain_recordings(provider="openai"))
async def test_a_recorded_answer_arrives_character_for_character(connect, conversation, recording, settings):
    socket = await connect()
    with ReplayServer(recording.path) as provider:
        settings.CONVERSE_STREAM = {"PROVIDERS": {"openai": {"api_key": "sk-test", "base_url": provider.url}}}
        message = await conversation.aask("Tell me.", model="openai:gpt-test")
        await socket.say("follow", message)
        frames = await socket.hear_until("complete", "failed")

    assert text_of(frames) == recording.expected["text"]
    assert (frames[-1]["type"], frames[-1]["message"]["content"]) == ("complete", recording.expected["text"])
