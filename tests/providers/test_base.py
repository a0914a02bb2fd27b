"""What every provider can do: merge options, and be asked from sync code."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator

import pytest

from converse_stream.events import Delta, Finish, Text
from converse_stream.exceptions import RateLimited
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers import Provider, bridge
from converse_stream.testing import ScriptedProvider

HI = [{"role": "user", "content": "hi"}]


class Counting(Provider):
    """Says numbers for ever, and remembers how it was treated."""

    def __init__(self, name: str = "counting", model: str = "", **more: object) -> None:
        super().__init__(name, model)
        self.said = 0
        self.closed = threading.Event()
        self.disconnected = threading.Event()

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        try:
            while True:
                self.said += 1
                yield Text(str(self.said))
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def disconnect(self) -> None:
        assert self.closed.is_set()
        self.disconnected.set()


def test_the_options_of_a_call_win_over_those_of_the_provider():
    provider = ScriptedProvider([]).replaced(name="scripted", model="script", options={"temperature": 1, "seed": 7})

    prompt = provider.prompt(HI, {"temperature": 0})

    assert prompt == Prompt(
        [PromptMessage("user", [{"type": "text", "text": "hi"}])], "script", {"temperature": 0, "seed": 7}
    )


def test_replacing_nothing_gives_the_same_provider():
    provider = ScriptedProvider([])

    assert provider.replaced(name="scripted", model="script", options={}) is provider
    assert provider.replaced(name="scripted", model="other", options={}).model == "other"
    assert provider.model == "script"


def test_a_repr_names_the_provider_and_its_model():
    assert repr(ScriptedProvider([])) == "<ScriptedProvider scripted:script>"


def test_sync_code_gets_every_delta_in_order():
    words = [f"{number} " for number in range(500)]

    deltas = list(ScriptedProvider(words).stream(HI))

    assert deltas == [*map(Text, words), Finish("stop")]


async def test_async_code_gets_the_same():
    assert [delta async for delta in ScriptedProvider(["a"]).astream(HI)] == [Text("a"), Finish("stop")]


def test_an_error_is_raised_where_the_answer_is_read_after_what_was_said():
    deltas = ScriptedProvider(["a", RateLimited("slower")]).stream(HI)

    assert next(deltas) == Text("a")
    with pytest.raises(RateLimited, match="slower"):
        next(deltas)


def test_a_malformed_prompt_is_refused_at_once():
    with pytest.raises(ValueError, match="role"):
        ScriptedProvider([]).stream([{"role": "robot"}])


def test_a_consumer_that_stops_early_closes_the_provider_and_its_connections():
    provider = Counting()
    deltas = provider.stream(HI)
    next(deltas)

    deltas.close()

    assert provider.closed.is_set()
    assert provider.disconnected.is_set()


def test_an_answer_nobody_reads_is_not_begun():
    provider = Counting()

    provider.stream(HI)

    assert provider.said == 0


def test_a_provider_waits_for_its_consumer():
    provider = Counting()
    deltas = provider.stream(HI)
    for _ in range(3):
        next(deltas)

    deltas.close()

    assert provider.said <= 3 + bridge.CAPACITY + 1


def test_closing_while_the_provider_is_silent_does_not_wait_for_it():
    deltas = ScriptedProvider(["a", threading.Event()]).stream(HI)
    next(deltas)

    deltas.close()


def test_an_answer_cut_off_by_an_error_of_the_consumer_is_closed():
    provider = Counting()

    with pytest.raises(KeyError):
        for _ in provider.stream(HI):
            raise KeyError

    assert provider.closed.wait(60)


def test_no_thread_is_left_behind():
    before = threading.active_count()

    list(ScriptedProvider(["a"]).stream(HI))

    assert threading.active_count() == before


def test_the_context_of_the_caller_is_seen_by_the_provider():
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    async def items() -> AsyncIterator[str]:
        yield name.get()

    async def close() -> None:
        pass

    name.set("ada")

    assert list(bridge.iterate(items, close)) == ["ada"]


def test_an_error_while_closing_is_raised():
    async def items() -> AsyncIterator[str]:
        yield "a"

    async def close() -> None:
        raise KeyError("connection")

    with pytest.raises(KeyError):
        list(bridge.iterate(items, close))
