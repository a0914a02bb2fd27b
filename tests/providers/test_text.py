"""A provider without a conversation: its text as a whole, and piece by piece to a callback."""

import pytest

from converse_stream.events import Finish, Reasoning, Text, Usage
from converse_stream.exceptions import Overloaded, ServerError, Truncated
from converse_stream.providers import Provider
from converse_stream.providers.openai import OpenAI
from converse_stream.testing import ReplayServer, ScriptedProvider

HI = [{"role": "user", "content": "hi"}]
SCRIPT = [Reasoning("hm"), "One, ", "two, ", Usage(1, 2), "three."]
TOLD = [("One, ", "One, "), ("two, ", "One, two, "), ("three.", "One, two, three.")]


def test_the_whole_text_is_returned():
    assert ScriptedProvider(SCRIPT).text(HI) == "One, two, three."


async def test_the_whole_text_is_returned_in_async_code():
    assert await ScriptedProvider(SCRIPT).atext(HI) == "One, two, three."


def test_a_callback_gets_each_piece_and_all_so_far():
    told = []

    text = ScriptedProvider(SCRIPT).text(HI, on_chunk=lambda piece, full: told.append((piece, full)))

    assert (text, told) == ("One, two, three.", TOLD)


async def test_a_callback_may_be_async_in_async_code():
    told, also = [], []

    async def on_chunk(piece: str, full: str) -> None:
        told.append((piece, full))

    await ScriptedProvider(SCRIPT).atext(HI, on_chunk=on_chunk)
    await ScriptedProvider(SCRIPT).atext(HI, on_chunk=lambda piece, full: also.append((piece, full)))

    assert told == also == TOLD


def test_a_stream_tells_its_callback_before_it_yields():
    told = []
    deltas = ScriptedProvider(["a", "b"]).stream(HI, on_chunk=lambda piece, full: told.append(full))

    assert next(deltas) == Text("a")
    assert told == ["a"]
    assert [*deltas] == [Text("b"), Finish("stop")]
    assert told == ["a", "ab"]


async def test_an_async_stream_tells_its_callback_before_it_yields():
    told = []
    deltas = ScriptedProvider(["a", "b"]).astream(HI, on_chunk=lambda piece, full: told.append(full))

    assert await anext(deltas) == Text("a")
    assert told == ["a"]
    assert [delta async for delta in deltas] == [Text("b"), Finish("stop")]


class Endless(Provider):
    """Never says that it has ended."""

    async def deltas(self, prompt):
        yield Text("and then")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (ScriptedProvider(["half", Overloaded("busy")]), Overloaded),
        (ScriptedProvider(["half", Finish("error")]), ServerError),
        (Endless("endless"), Truncated),
    ],
)
async def test_half_a_text_is_an_error(asked, error):
    with pytest.raises(error):
        asked.text(HI)
    with pytest.raises(error):
        await asked.atext(HI)


def test_an_error_in_a_callback_ends_the_request():
    def on_chunk(piece: str, full: str) -> None:
        raise KeyError(piece)

    body = b'data: {"choices":[{"index":0,"delta":{"content":"One"}}]}\n\n' * 1000
    with ReplayServer(body, interval=0.01) as server:
        asked = OpenAI("x", "m", config={"api_key": "k", "base_url": server.url})
        with pytest.raises(KeyError):
            asked.text(HI, on_chunk=on_chunk)
        left = server.disconnected.wait(60)

    assert left


def test_options_are_those_of_the_call():
    asked = ScriptedProvider(["x"])

    asked.text(HI, temperature=0, stream=False)

    assert asked.prompts[0].options == {"temperature": 0, "stream": False}
