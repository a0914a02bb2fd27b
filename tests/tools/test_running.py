"""Tools in an answer: each call and result a row before and after the tool runs, and errors that a model can read."""

import asyncio
import datetime
import json
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import TestCase, override_settings

from converse_stream.events import Finish, Served, Text, ToolCall, ToolResult, Usage
from converse_stream.exceptions import InvalidOptions, Overloaded, RateLimited
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.testing import Follower
from converse_stream.tools import Tool, ToolContext, ToolError, tool
from tests.tools import site
from tests.turns import InTurn
from tests.waiting import finished_attempts, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["thread", "inline"])
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param}


def call(id: str, name: str, arguments: Any = None, raw: str = "") -> ToolCall:
    return ToolCall(id, name, {} if arguments is None and not raw else arguments, raw)


def results(message: Message) -> dict[str, Any]:
    return {part["id"]: part["result"] for part in message.parts if part["type"] == "tool_result"}


def errors(message: Message) -> dict[str, str]:
    parts = [part for part in message.parts if part["type"] == "tool_result" and part["is_error"]]
    return {part["id"]: part["result"]["error"] for part in parts}


def ask(conversation: Conversation, provider: InTurn, *tools: Any, **options: Any) -> Message:
    return conversation.ask("go", model=provider, tools=tools, **options).wait(20)


def test_a_tool_runs_and_the_model_goes_on_with_its_result(conversation: Conversation, runner) -> None:
    """Seeds: P-10."""
    provider = InTurn(["Let me see. ", call("1", "weather", {"city": "Oslo"})], ["It is cold."])

    message = ask(conversation, provider, site.weather)

    assert (message.status, message.finish_reason) == (Status.COMPLETE, "stop")
    assert message.content == "Let me see. It is cold."
    assert [part["type"] for part in message.parts] == ["text", "tool_call", "tool_result", "text"]
    assert results(message) == {"1": {"city": "Oslo", "celsius": -3, "days": 1}}
    first, second = provider.prompts
    assert [tool["name"] for tool in first.options["tools"]] == ["weather"]
    assert second.messages[-1].role == "assistant"
    assert list(second.messages[-1].parts) == message.parts[:3]
    assert message.metadata["steps"] == 2


def test_every_viewer_sees_calls_and_results_from_any_cursor(conversation: Conversation) -> None:
    """Seeds: P-01, P-02, C-21, C-22"""
    provider = InTurn([call("1", "weather", {"city": "Oslo"})], ["It is ", "cold."])

    message = ask(conversation, provider, site.weather)

    for position in range(message.length + 1):
        seen = Follower(f"{message.pk}.{position}").read(message.stream_response(after=position))
        kinds = [event["event"] for event in seen.events]
        assert ("tool_call" in kinds, "tool_result" in kinds) == (position < 1, position < 2)
        assert seen.text == message.content[max(position - 2, 0) :]


def test_tokens_of_all_steps_are_the_answers_and_each_attempt_has_its_own(conversation: Conversation, runner) -> None:
    provider = InTurn(
        [call("1", "weather", {"city": "Oslo"}), Served("m-1", "req-1"), Usage(10, 5, 2), Finish("tool_calls")],
        ["Cold.", Served("m-1", "req-2"), Usage(30, 7, None, 4), Finish("stop")],
    )

    message = ask(conversation, provider, site.weather)

    assert (message.input_tokens, message.output_tokens) == (40, 12)
    assert (message.cached_tokens, message.reasoning_tokens) == (2, 4)
    attempts = finished_attempts(message)
    assert [(each.outcome, each.input_tokens, each.request_id) for each in attempts] == [
        ("complete", 10, "req-1"),
        ("complete", 30, "req-2"),
    ]
    assert message.metadata["provider_request_id"] == "req-2"


def test_the_call_is_committed_before_the_tool_runs_and_its_result_before_the_model_hears(
    conversation: Conversation,
) -> None:
    """Seeds: A-09."""
    found: list[list[str]] = []

    def look(context: ToolContext) -> str:
        found.append([*Chunk.objects.filter(message=context.message.pk).values_list("kind", flat=True)])
        return "looked"

    class Looking(InTurn):
        async def deltas(self, prompt):
            rows = Chunk.objects.order_by("start").values_list("kind", flat=True)
            found.append([kind async for kind in rows])
            async for delta in super().deltas(prompt):
                yield delta

    message = ask(conversation, Looking([call("1", "look")], ["done"]), look)

    assert message.content == "done"
    assert found == [[], ["tool_call"], ["tool_call", "tool_result"]]


def test_calls_of_one_step_run_at_once(conversation: Conversation) -> None:
    """Seeds: P-10"""
    both = threading.Barrier(2, timeout=10)

    def sync_one() -> str:
        both.wait()
        return "sync"

    def sync_two() -> str:
        both.wait()
        return "sync"

    first, second = asyncio.Event(), asyncio.Event()

    async def async_one() -> str:
        first.set()
        await second.wait()
        return "async"

    async def async_two() -> str:
        second.set()
        await first.wait()
        return "async"

    calls = [call(name, name) for name in ("sync_one", "sync_two", "async_one", "async_two")]
    message = ask(conversation, InTurn(calls, ["done"]), sync_one, sync_two, async_one, async_two)

    assert message.content == "done"
    assert set(results(message).values()) == {"sync", "async"}
    assert not errors(message)


def test_a_model_that_calls_a_hundred_tools_gets_no_hundred_threads(conversation: Conversation) -> None:
    running: list[int] = []

    def count() -> int:
        return sum(thread.name == "converse-tool" for thread in threading.enumerate())

    def one() -> None:
        running.append(count())

    message = ask(conversation, InTurn([call(str(number), "one") for number in range(100)], ["done"]), one)

    assert (message.content, len(running)) == ("done", 100)
    assert max(running) <= 20  # 16, and those that have just returned


def test_an_async_tool_may_ask_whose_it_is(conversation: Conversation) -> None:
    again = Conversation.objects.get(pk=conversation.pk)

    message = ask(again, InTurn([call("1", "whose")], ["ok"]), site.whose)

    assert results(message) == {"1": "ada"}


def boom() -> None:
    raise ValueError("the password is 'swordfish'")


def leave() -> None:
    raise SystemExit(3)


async def give_up() -> None:
    raise asyncio.CancelledError


def told() -> None:
    raise ToolError("Ask for another day.")


def unspeakable() -> object:
    return object()


def test_what_goes_wrong_is_a_result_that_the_model_reads(conversation: Conversation, runner, caplog) -> None:
    wrong = [boom, leave, give_up, told, unspeakable]
    calls = [call(tool.__name__, tool.__name__) for tool in wrong]
    calls += [
        call("missing", "weather", {}),
        call("malformed", "weather", None, raw='{"city": "Os'),
        call("nobody", "launch_missiles"),
    ]
    provider = InTurn(calls, ["I could not."])

    message = ask(conversation, provider, site.weather, *wrong)

    assert (message.status, message.content) == (Status.COMPLETE, "I could not.")
    assert errors(message) == {
        **dict.fromkeys(("boom", "leave", "give_up", "told", "unspeakable"), "tool_failed"),
        **dict.fromkeys(("missing", "malformed"), "bad_arguments"),
        "nobody": "unknown_tool",
    }
    said = results(message)
    assert said["told"]["message"] == "Ask for another day."
    assert said["boom"]["message"] == "The tool failed: ValueError."
    assert "weather" in said["nobody"]["message"]
    # Neither viewers nor the model read what an exception says; the log does.
    assert "swordfish" not in json.dumps(message.parts)
    assert "swordfish" in caplog.text


def test_a_tool_that_takes_too_long_is_given_up(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"TOOL_TIMEOUT": 0.05}
    release, cancelled = threading.Event(), threading.Event()

    def slow() -> None:
        release.wait(20)

    async def slower() -> None:
        try:
            await asyncio.sleep(20)
        finally:
            cancelled.set()

    patient = Tool(lambda: "waited", name="patient", parameters={"type": "object"}, timeout=10)
    calls = [call(name, name) for name in ("slow", "slower", "patient")]

    message = ask(conversation, InTurn(calls, ["It took too long."]), slow, slower, patient)

    assert errors(message) == {"slow": "tool_timeout", "slower": "tool_timeout"}
    assert results(message)["patient"] == "waited"
    assert cancelled.is_set()
    release.set()


def test_a_timeout_inside_of_a_tool_is_an_error_of_the_tool(conversation: Conversation, runner) -> None:
    async def impatient() -> None:
        raise TimeoutError

    message = ask(conversation, InTurn([call("1", "impatient")], ["ok"]), impatient)

    assert errors(message) == {"1": "tool_failed"}


def test_a_huge_result_is_cut_and_says_so(conversation: Conversation, settings) -> None:
    """Seeds: L-09"""
    settings.CONVERSE_STREAM = {"MAX_TOOL_RESULT_CHARS": 100}

    def many() -> list[str]:
        return ["word"] * 1000

    def long() -> str:
        return "ä" * 1000

    def wordy() -> None:
        raise ToolError("no " * 1000)

    calls = [call(name, name) for name in ("many", "long", "wordy")]
    message = ask(conversation, InTurn(calls, ["ok"]), many, long, wordy)

    found = results(message)
    assert found["long"].startswith("ä" * 100 + "\n(") and "1000" in found["long"]
    assert found["many"].startswith('["word","word"') and len(found["many"]) < 200
    assert len(found["wordy"]["message"]) < 200


def test_results_are_told_as_json(conversation: Conversation, runner) -> None:
    def rich() -> dict[str, Any]:
        return {"on": datetime.date(2026, 11, 21), "price": Decimal("1.50"), "tags": {"a"}, "nan": float("nan")}

    message = ask(conversation, InTurn([call("1", "rich")], ["ok"]), rich)

    assert results(message)["1"] == {"on": "2026-11-21", "price": "1.50", "tags": ["a"], "nan": None}


class TestApproval:
    def test_a_refusal_is_told_and_the_tool_does_not_run(self, conversation: Conversation, runner) -> None:
        """Seeds: V-29."""
        ran: list[str] = []

        async def ask_somebody(context: ToolContext) -> str:
            return f"Nobody may {context.call.name} on a Sunday."

        def careful(name: str, approve: Any) -> Tool:
            return Tool(lambda: ran.append(name), name=name, parameters={"type": "object"}, approve=approve)

        tools = [
            careful("pay", ask_somebody),
            careful("delete", lambda context: False),
            careful("send", lambda context: None),
            careful("read", lambda context: True),
        ]

        message = ask(conversation, InTurn([call(each.name, each.name) for each in tools], ["ok"]), *tools)

        assert ran == ["read"]
        assert errors(message) == dict.fromkeys(("pay", "delete", "send"), "refused")
        assert results(message)["pay"]["message"] == "Nobody may pay on a Sunday."

    def test_it_may_wait_while_viewers_see_what_it_waits_for(self, conversation: Conversation, settings) -> None:
        settings.CONVERSE_STREAM = {"TOOL_TIMEOUT": 0.05}  # which the waiting does not count against
        decided = threading.Event()

        @tool(approve=lambda context: decided.wait(20))
        def pay(amount: int) -> str:
            return f"paid {amount}"

        message = conversation.ask("go", model=InTurn([call("1", "pay", {"amount": 3})], ["Done."]), tools=[pay])
        for event in message.follow(timeout=20):
            if event.kind == "tool_call":
                threading.Timer(0.1, decided.set).start()
            if event.kind == "tool_result":
                assert decided.is_set()

        assert results(message.wait(20)) == {"1": "paid 3"}


class TestSteps:
    def test_an_answer_takes_so_many_steps_and_the_last_calls_do_not_run(
        self, conversation: Conversation, settings
    ) -> None:
        settings.CONVERSE_STREAM = {"MAX_STEPS": 3}
        ran: list[int] = []

        def again() -> str:
            ran.append(1)
            return "again"

        provider = InTurn(*([call(str(number), "again")] for number in range(9)))

        message = ask(conversation, provider, again)

        assert (message.status, message.finish_reason) == (Status.COMPLETE, "tool_calls")
        assert (len(provider.prompts), len(ran)) == (3, 2)
        assert errors(message) == {"2": "step_limit"}

    def test_a_call_that_was_cut_is_not_run(self, conversation: Conversation) -> None:
        provider = InTurn([call("1", "weather", {"city": "Os"}), Finish("length", "max_tokens")])

        message = ask(conversation, provider, site.weather)

        assert (message.status, message.finish_reason, results(message)) == (Status.COMPLETE, "length", {})

    def test_a_call_that_nobody_registered_a_tool_for_ends_the_answer(self, conversation: Conversation) -> None:
        declared = {"name": "locate", "parameters": {"type": "object"}}
        provider = InTurn([call("1", "weather", {"city": "Oslo"}), call("2", "locate")], ["never said"])

        message = ask(conversation, provider, site.weather, declared)

        assert (message.status, message.finish_reason, message.content) == (Status.COMPLETE, "stop", "")
        assert list(results(message)) == ["1"]
        assert [each["name"] for each in provider.prompts[0].options["tools"]] == ["weather", "locate"]

    def test_what_the_provider_has_run_itself_is_not_run_again(self, conversation: Conversation) -> None:
        provider = InTurn(
            [call("1", "weather", {"city": "Oslo"}), ToolResult("1", "weather", "searched"), "Found."], ["never said"]
        )

        message = ask(conversation, provider, site.weather)

        assert (message.content, results(message)) == ("Found.", {"1": "searched"})

    @pytest.mark.parametrize("choice", ["required", {"name": "weather"}])
    def test_who_must_call_a_tool_must_do_so_once(self, conversation: Conversation, choice: Any) -> None:
        provider = InTurn([call("1", "weather", {"city": "Oslo"})], ["Cold."])

        ask(conversation, provider, site.weather, options={"tool_choice": choice})

        assert [prompt.options["tool_choice"] for prompt in provider.prompts] == [choice, "auto"]

    def test_a_later_step_is_tried_again_and_elsewhere_and_no_tool_runs_twice(
        self, conversation: Conversation, runner
    ) -> None:
        ran: list[str] = []

        def once() -> str:
            ran.append("once")
            return "ok"

        first = InTurn(
            [call("1", "once"), Usage(1, 1), Finish("tool_calls")],
            [RateLimited(retry_after=0.0)],
            [Overloaded(retry_after=0.0)],
            [Overloaded(retry_after=0.0)],
            name="first",
        )
        second = InTurn(["Done.", Usage(2, 2), Finish("stop")], name="second")

        message = conversation.ask("go", model=[first, second], tools=[once]).wait(20)

        assert (message.status, message.content, ran) == (Status.COMPLETE, "Done.", ["once"])
        assert (message.provider, message.input_tokens) == ("second", 3)
        assert [part["type"] for part in second.prompts[0].messages[-1].parts] == ["tool_call", "tool_result"]


class TestStops:
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_a_stop_in_the_middle_of_a_tool_keeps_the_call_and_the_next_prompt_says_that_it_has_no_result(
        self, conversation: Conversation, kind: str
    ) -> None:
        begun, release, cancelled = threading.Event(), threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            release.wait(20)

        async def await_it() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        slow = Tool(wait if kind == "sync" else await_it, name="slow")
        message = conversation.ask("go", model=InTurn(["Wait. ", call("1", "slow")], ["never"]), tools=[slow])
        assert begun.wait(20)

        assert message.cancel()
        message = message.wait(20)

        assert kind == "sync" or cancelled.wait(20)
        assert (message.status, message.content) == (Status.CANCELLED, "Wait. ")
        assert [part["type"] for part in message.parts] == ["text", "tool_call"]
        [answer] = [each for each in conversation.history() if each.role == "assistant"]
        assert answer.parts[-1]["is_error"] and answer.parts[-1]["id"] == "1"
        release.set()
        until(lambda: finished_attempts(message)[0].outcome == "complete")

    def test_a_stop_before_any_words_does_not_forget_what_the_tools_have_done(self, conversation: Conversation) -> None:
        pause = threading.Event()
        message = conversation.ask(
            "go", model=InTurn([call("1", "plain", {"text": "done"})], [pause]), tools=[site.plain]
        )
        for event in message.follow(timeout=20):
            if event.kind == "tool_result":
                message.cancel()

        assert (message.wait(20).status, message.content) == (Status.CANCELLED, "")
        [told] = [each for each in conversation.history() if each.role == "assistant"]
        assert [part["type"] for part in told.parts] == ["tool_call", "tool_result"]

    def test_a_turn_that_failed_does_not_forget_what_its_tools_have_done(self, conversation: Conversation) -> None:
        """Seeds: A-09."""
        ran: list[str] = []

        def order(what: str) -> str:
            ran.append(what)
            return f"ordered {what}"

        dies = InTurn([call("1", "order", {"what": "tea"})], ["Ordered, and ", ValueError("the process is gone")])
        first = ask(conversation, dies, order)
        assert (first.status, first.content) == (Status.FAILED, "Ordered, and ")

        lives = InTurn(["It is ordered."])
        second = first.retry(model=lives, tools=[order]).wait(20)

        assert (second.content, ran) == ("It is ordered.", ["tea"])
        assert second.parent_id == first.pk
        [*_, told] = lives.prompts[0].messages
        assert [(part["type"], part.get("result")) for part in told.parts] == [
            ("tool_call", None),
            ("tool_result", "ordered tea"),
        ]


class TestNames:
    def test_a_retry_has_the_tools_of_the_first_try(self, conversation: Conversation, settings) -> None:
        provider = InTurn(["ok"])
        settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"mine": provider}}
        first = conversation.ask("go", model="mine:m", tools=[site.weather])

        second = first.retry()

        assert first.metadata["tools"] == second.metadata["tools"] == ["tests.tools.site.weather"]
        assert provider.prompts[0].options == provider.prompts[1].options

    def test_tools_of_a_function_inside_another_cannot_be_tried_again_unnamed(
        self, conversation: Conversation, settings
    ) -> None:
        settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"mine": InTurn(["ok"])}}

        def inside() -> None: ...

        first = conversation.ask("go", model="mine:m", tools=[inside])

        with pytest.raises(InvalidOptions, match="inside"):
            first.retry()
        assert conversation.messages.count() == 2

    def test_a_conversations_options_name_tools_of_the_settings(self, user: User, settings) -> None:
        settings.CONVERSE_STREAM = {"RUNNER": "inline", "TOOLS": {"weather": "tests.tools.site.weather"}}
        conversation = Conversation.objects.create(owner=user, options={"tools": ["weather"]})
        provider = InTurn([call("1", "weather", {"city": "Oslo"})], ["Cold."])

        message = conversation.ask("go", model=provider)

        assert (message.content, list(results(message))) == ("Cold.", ["1"])

    @pytest.mark.parametrize("name", ["tests.tools.site.weather", "os.system", "nobody"])
    def test_options_lead_nowhere_that_the_settings_do_not_name(self, conversation: Conversation, name: str) -> None:
        with pytest.raises(InvalidOptions):
            conversation.ask("go", options={"tools": [name]})
        assert not conversation.messages.exists()


def test_tools_are_given_step_by_step(conversation: Conversation) -> None:
    """Seeds: L-02."""
    provider = InTurn([call("1", "weather", {"city": "Oslo"}), call("2", "plain", {"text": "x"})], ["Cold."])

    text = conversation.prompt("go").using(provider).with_tools(site.weather).with_tools(site.plain).text()

    assert text == "Cold."
    assert set(results(conversation.messages.assistant().get())) == {"1", "2"}


def test_words_of_the_tools_belong_to_text_events(conversation: Conversation) -> None:
    message = ask(conversation, InTurn([Text("a"), call("1", "plain", {"text": "x"}), "b"], ["c"]), site.plain)

    assert message.content == "abc"


class InATestCase(TestCase):
    def test_tools_see_the_rows_of_the_transaction(self) -> None:
        """Seeds: C-21, C-22."""
        user = User.objects.create_user("eve")
        conversation = Conversation.objects.create(owner=user)

        def count(context: ToolContext) -> list[str]:
            return [*User.objects.values_list("username", flat=True)]

        provider = InTurn([call("1", "count"), call("2", "whose")], ["ok"])
        with override_settings(CONVERSE_STREAM={"RUNNER": "inline"}):
            message = conversation.ask("go", model=provider, tools=[count, site.whose])

        self.assertEqual(results(message), {"1": ["eve"], "2": "eve"})
