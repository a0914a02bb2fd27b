"""The page about the WebSocket says what the consumer does: every frame, error, close code and limit."""

import json

import pytest
from asgiref.sync import sync_to_async

from converse_stream.consumers import ConverseConsumer, codes
from converse_stream.consumers.frames import _FIELDS, ACTIONS
from converse_stream.models import Conversation
from converse_stream.testing import ScriptedProvider
from tests.pages import ROOT, blocks, rows
from tests.records import answered

PAGE = ROOT / "docs" / "reference" / "websocket.md"
MESSAGE, CONVERSATION = "6f1f9a52-7c3e-4a53-9a39-0f0a4b6f7a10", "0b9c7d2e-2f0c-4d7e-9a53-5a1f6a7f9f10"
EXAMPLES = {block.tags["frames"]: json.loads(block.source) for block in blocks(PAGE, "json") if "frames" in block.tags}


def table(*heading):
    """Return the rows, by their first cell, of the table with this heading."""
    cells = rows(PAGE)
    start = cells.index(list(heading)) + 1
    found = {}
    for row in cells[start:]:
        if len(row) != len(heading) or row[1] in ("when", "what it does", "default"):
            break
        found[row[0]] = row
    return found


def keys(frame):
    return {key: set(frame[key]) if isinstance(frame[key], dict) and key == "request" else None for key in frame}


def test_every_request_is_described_and_shown_with_all_its_fields():
    shown = {frame["type"]: set(frame) - {"type", "id"} for frame in EXAMPLES["client"]}

    assert shown == dict(_FIELDS)
    assert {f"`{action}`" for action in ACTIONS} == set(table("request", "what it does", "is answered by"))


def test_every_close_code_is_described():
    described = table("code", "when", "what a client does")

    assert {str(closing.code) for closing in codes.ALL} == set(described)


def test_every_limit_is_described_with_its_default():
    described = table("limit", "default", "meaning")
    numbers = {name: value for name, value in vars(ConverseConsumer).items() if isinstance(value, int | float)}
    limits = {name: value for name, value in numbers.items() if not name.startswith("__")}  # Python's own

    assert {f"`{name}`": str(value) for name, value in limits.items()} == {
        name: row[1] for name, row in described.items()
    }


def raised():
    """Return the codes that the consumer's own modules refuse with, and those of asking."""
    import re  # noqa: PLC0415 - one use

    modules = (ROOT / "converse_stream" / "consumers").glob("*.py")
    own = {code for path in modules for code in re.findall(r'Refusal\(\s*"(\w+)"', path.read_text())}
    return own | {"bad_cursor", "bad_dialect", "busy", "invalid", "unknown_model", "invalid_options", "internal"}


def test_every_error_is_described():
    described = {code.strip(" `") for cell in table("code", "when") for code in cell.split(",")}

    assert raised() - described == set()


@pytest.mark.django_db(transaction=True)
class TestExamples:
    """Every frame that is shown has the fields of one that is sent."""

    @pytest.fixture(autouse=True)
    def providers(self, settings):
        demo = ScriptedProvider(["A long, ", "narrow inlet ", "of the sea."], "demo")
        settings.CONVERSE_STREAM = {"PROVIDERS": {"demo": demo}}

    def of(self, frame, message):
        text = json.dumps(frame).replace(MESSAGE, str(message.pk)).replace(CONVERSATION, str(message.conversation_id))
        return json.loads(text)

    async def test_every_request_is_served(self, connect, owner, conversation):
        message = await sync_to_async(lambda: conversation.ask("What is a fjord?").wait(60))()
        socket = await connect()

        for frame in EXAMPLES["client"]:
            await socket.send_json_to(self.of(frame, message))
            answer = await socket.hear()
            while answer.get("id") != frame["id"]:
                answer = await socket.hear()
            assert answer["type"] in ("reply", "pong"), answer
            if "message" in answer and answer["message"]["status"] == "streaming":
                await socket.say("cancel", answer["message"]["id"], id="stop")
                while (await socket.hear()).get("id") != "stop":
                    pass

    async def test_the_frames_of_a_followed_message(self, connect, conversation):
        async with conversation.astart_stream() as stream:
            await stream.aappend("Hello,")
            await stream.atool_call("call_1", "weather", {"city": "Oslo"})
        socket = await connect()

        await socket.say("follow", stream.message)
        sent = await socket.hear_until("complete")
        await socket.say("follow", stream.message, after=f"{stream.message.pk}.end")
        sent.append(await socket.hear())

        real = {frame["type"]: frame for frame in sent}
        assert [keys(real[frame["type"]]) for frame in EXAMPLES["server"]] == [keys(f) for f in EXAMPLES["server"]]

    async def test_the_frames_of_a_watched_conversation(self, connect, conversation):
        await Conversation.objects.filter(pk=conversation.pk).aupdate(title="Fjords")
        await conversation.aadd_user_message("Hi")
        socket = await connect()
        stream = await conversation.astart_stream()
        await socket.say("watch", conversation=str(conversation.pk))
        sent = await socket.hear_until("start")
        await stream.aappend("Hello,")
        await stream.acomplete()
        sent += await socket.hear_until("complete")

        real = {frame["type"]: frame for frame in sent}
        assert [keys(real[frame["type"]]) for frame in EXAMPLES["watched"]] == [keys(f) for f in EXAMPLES["watched"]]
        for frame in EXAMPLES["watched"]:
            assert len(real[frame["type"]]["id"].split(".")) == len(frame["id"].split("."))

    async def test_replies_and_errors(self, connect, conversation):
        socket = await connect()
        sent = []
        asked = {"type": "ask", "conversation": str(conversation.pk), "content": "Hi", "id": 1}
        for frame in (asked, {"type": "ping", "id": 9}, {"type": "follow", "message": MESSAGE, "id": 2}):
            await socket.send_json_to(frame)
            sent.append(await socket.hear())

        assert [keys(frame) for frame in sent] == [keys(frame) for frame in EXAMPLES["replies"]]

    async def test_the_frames_of_another_dialect(self, connect, conversation):
        message = await sync_to_async(answered)(conversation)
        socket = await connect()

        await socket.say("follow", message, dialect="text")
        frame = await socket.hear()

        assert keys(frame) == keys(EXAMPLES["dialect"][0])
