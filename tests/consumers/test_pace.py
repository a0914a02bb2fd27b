"""A client that talks too much, and one that does not read, against a server that takes one frame at a time."""

import asyncio
import json
import threading

import pytest
from asgiref.sync import sync_to_async

from converse_stream.consumers import ConverseConsumer
from converse_stream.consumers.pace import Allowance
from converse_stream.database import submit
from converse_stream.models import Conversation
from tests.consumers.conftest import HEADERS
from tests.cost.ledger import Ledger, ledger
from tests.records import Echo, answered

pytestmark = pytest.mark.django_db(transaction=True)


class Server:
    """A server's end of one socket: it takes frames of the consumer as long as its client reads."""

    def __init__(self, user, **limits) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.taken: list[dict] = []
        self.blocked = asyncio.Event()
        self._said: asyncio.Queue[dict] = asyncio.Queue()
        self._said.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": "/ws/converse/", "headers": HEADERS, "user": user}
        application = ConverseConsumer.as_asgi(**limits)
        self.serving = asyncio.create_task(application(scope, self._said.get, self._send))

    def say(self, **frame) -> None:
        self._said.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    def hang_up(self) -> None:
        self._said.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def _send(self, message) -> None:
        if not self.reads.is_set():
            self.blocked.set()
            await self.reads.wait()
        self.taken.append(message)

    @property
    def frames(self) -> list[dict]:
        return [json.loads(message["text"]) for message in self.taken if message["type"] == "websocket.send"]

    @property
    def text(self) -> str:
        return "".join(frame.get("text", "") for frame in self.frames)


async def until(holds) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def test_a_client_that_does_not_read_is_cut_and_told_why_once_it_reads(owner, conversation):
    stream = await conversation.astart_stream()
    server = Server(owner, slow_after=0.1)
    server.say(type="follow", message=str(stream.message.pk))
    await until(lambda: server.frames)
    server.reads.clear()

    await stream.aappend("unread")
    await server.blocked.wait()
    await until(lambda: len(asyncio.all_tasks()) <= 3)  # this one, the consumer's and its goodbye
    server.reads.set()
    await asyncio.wait_for(server.serving, 60)

    assert server.text == ""
    assert server.taken[-1] == {
        "type": "websocket.close",
        "code": 4408,
        "reason": "reading too slowly; come back with your cursor",
    }
    await stream.acomplete()


async def test_who_was_cut_comes_back_with_the_cursor_and_misses_nothing(owner, conversation):
    stream = await conversation.astart_stream()
    slow = Server(owner, slow_after=0.1)
    slow.say(type="follow", message=str(stream.message.pk))
    await stream.aappend("read ")
    await until(lambda: slow.text == "read ")
    slow.reads.clear()
    await stream.aappend("unread")
    await slow.blocked.wait()
    await asyncio.sleep(0.5)
    slow.reads.set()
    await slow.serving
    await stream.acomplete()

    back = Server(owner)
    back.say(type="follow", message=str(stream.message.pk), after=slow.frames[-1]["id"])
    await until(lambda: back.frames and back.frames[-1]["type"] == "complete")

    assert slow.text + back.text == "read unread"
    back.hang_up()
    await back.serving


async def test_a_client_that_reads_slowly_but_reads_is_not_cut(owner, conversation):
    stream = await conversation.astart_stream()
    server = Server(owner, slow_after=0.6)
    server.say(type="follow", message=str(stream.message.pk))
    await until(lambda: server.frames)

    for word in ("one ", "two ", "three "):
        server.reads.clear()
        await stream.aappend(word)
        await server.blocked.wait()
        await asyncio.sleep(0.3)
        server.reads.set()
        server.blocked.clear()
        await until(lambda word=word: server.text.endswith(word))

    assert server.text == "one two three "
    await stream.acomplete()
    server.hang_up()
    await server.serving


def selects(kept: Ledger) -> int:
    return kept.of("converse-database").count("SELECT message")


async def test_for_a_client_that_does_not_read_no_more_than_one_answer_is_read(owner):
    messages = []
    for _ in range(10):
        conversation = await Conversation.objects.acreate(owner=owner)
        messages.append(await sync_to_async(answered)(conversation, "x" * 1000))
    server = Server(owner)
    await until(lambda: server.taken)
    server.reads.clear()

    with ledger() as kept:
        for message in messages:
            server.say(type="follow", message=str(message.pk))
        await server.blocked.wait()
        await until(lambda: selects(kept) >= len(messages) + 1)
        await asyncio.sleep(0.1)
        read = selects(kept)
        server.reads.set()
        await until(lambda: sum(frame["type"] == "complete" for frame in server.frames) == len(messages))

    assert read == len(messages) + 1  # each was looked up, the text of one was read
    assert selects(kept) == 2 * len(messages)
    server.hang_up()
    await server.serving


async def test_where_the_server_takes_everything_a_silent_client_is_sent_a_limited_amount(owner, conversation):
    text = "".join(f"{number:09} " for number in range(100_000))
    message = await sync_to_async(answered)(conversation, text)
    silent = Server(owner, bytes_unanswered=600_000)
    silent.say(type="follow", message=str(message.pk))
    await asyncio.wait_for(silent.serving, 60)

    back = Server(owner, bytes_unanswered=600_000)
    back.say(type="follow", message=str(message.pk), after=silent.frames[-1]["id"])
    await until(lambda: back.frames and back.frames[-1]["type"] == "text")
    back.say(type="ping")
    await until(lambda: len(silent.text + back.text) == len(text) or back.serving.done())

    assert (silent.taken[-1]["type"], silent.taken[-1]["code"]) == ("websocket.close", 4408)
    assert 0 < len(silent.text) <= 600_000
    assert silent.text + back.text == text
    back.hang_up()
    await back.serving


async def test_a_client_that_says_something_now_and_then_is_sent_all(owner, conversation):
    stream = await conversation.astart_stream()
    server = Server(owner, bytes_unanswered=5_000)
    server.say(type="follow", message=str(stream.message.pk))

    for number in range(20):
        await stream.aappend(f"{number:1000}")
        await until(lambda number=number: len(server.text) == 1000 * (number + 1))
        server.say(type="ping")

    assert not server.serving.done()
    await stream.acomplete()
    server.hang_up()
    await server.serving


async def test_a_question_is_asked_though_the_socket_closes_at_once(owner, conversation, settings):
    settings.CONVERSE_STREAM = {"PROVIDERS": {"echo": Echo("echo")}, "DEFAULT_MODEL": "echo"}
    gate, held = threading.Event(), threading.Semaphore(0)
    busy = [submit(_hold, held, gate) for _ in range(4)]  # all database threads
    for _ in busy:
        await asyncio.to_thread(held.acquire)
    server = Server(owner)
    server.say(type="ask", conversation=str(conversation.pk), content="one two")
    server.say(type="ping")
    await until(lambda: server.frames)
    server.hang_up()
    await server.serving

    gate.set()
    await asyncio.gather(*map(asyncio.wrap_future, busy))

    for _ in range(500):
        if await conversation.messages.filter(status="complete", role="assistant").aexists():
            break
        await asyncio.sleep(0.02)
    assert [message.content async for message in conversation.messages.all()] == ["one two", "one two "]


def _hold(held: threading.Semaphore, gate: threading.Event) -> None:
    held.release()
    gate.wait(60)


async def test_a_flood_of_frames_ends_the_socket(connect):
    socket = await connect(frames_per_second=1, frames_at_once=5)

    for _ in range(6):
        await socket.say("ping")
    heard = [await socket.hear() for _ in range(6)]

    assert [frame["type"] for frame in heard] == ["pong"] * 5 + ["error"]
    assert heard[-1]["code"] == "too_many_frames"
    assert await socket.is_closed_with() == (4429, "too many frames")


async def test_large_frames_count_for_more(connect):
    socket = await connect(frames_per_second=1, frames_at_once=5)

    await socket.say("ping", pad="x" * 100_000)
    assert (await socket.hear())["type"] == "pong"
    await socket.say("ping")

    assert (await socket.hear())["code"] == "too_many_frames"
    assert (await socket.is_closed_with())[0] == 4429


def test_an_allowance_fills_again_and_never_beyond_what_it_holds():
    now = 0.0
    allowance = Allowance(rate=2, burst=3, clock=lambda: now)

    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [allowance.take() for _ in range(2)] == [True, False]
    now = 1000.0
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]


def test_a_limit_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="no limit 'max_followers'"):
        ConverseConsumer(max_followers=3)
