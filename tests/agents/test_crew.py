"""A crew: agents who do tasks one after another, in one answer that can be followed, stopped and started again."""

import threading
from typing import Any

import pytest
from django.test import TestCase, override_settings
from pydantic import BaseModel

from converse_stream.agents import Agent, Crew, CrewEvent, Task, afollow_crew, follow_crew
from converse_stream.events import Finish, ToolCall
from converse_stream.exceptions import (
    AnswerStopped,
    ConversationBusy,
    InvalidContent,
    InvalidOptions,
    NothingToAnswer,
    ServerError,
    UnknownModel,
)
from converse_stream.models import Conversation, Message, Status
from converse_stream.testing import Follower, ScriptedProvider
from tests.feed.test_watching import truth, watching
from tests.tools import site
from tests.turns import InTurn
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["thread", "inline"])
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param}


def agent(role: str, *scripts: Any, **options: Any) -> Agent:
    return Agent(role, f"be a good {role}", InTurn(*scripts, name=role), **options)


def three(*, research: Any = (["Fjords ", "are deep."],), **options: Any) -> Crew:
    agents = [
        agent("researcher", *research),
        agent("writer", ["A fjord ", "is deep."]),
        agent("editor", ["Fjords: ", "deep."]),
    ]
    tasks = [Task("Find out", "Facts", **options), Task("Write it down"), Task("Shorten it", agent=agents[2])]
    return Crew(agents, tasks)


def prompts(crew: Crew, index: int) -> list[str]:
    [prompt] = crew.agents[index].model.prompts
    return [message.text for message in prompt.messages]


def turns(message: Message) -> list[Message]:
    return [each for each in message.conversation.messages.all() if "crew" in each.metadata]


def texts(events: list[CrewEvent]) -> dict[int, str]:
    return {index: "".join(each.chunk for each in events if each.task_index == index) for index in range(3)}


def test_tasks_are_done_one_after_another_with_the_results_of_those_before(conversation: Conversation, runner) -> None:
    """Seeds: F-04."""
    crew = three()

    message = crew.run("About fjords", conversation=conversation)

    assert (message.status, message.content) == (Status.COMPLETE, "Fjords: deep.")
    assert prompts(crew, 0) == [
        "You are researcher.\nYour goal: be a good researcher",
        "Find out\n\nWhat is expected of you: Facts\n\nThe user's request:\nAbout fjords",
    ]
    last = prompts(crew, 2)[1]
    assert 'the task "Find out":\nFjords are deep.' in last
    assert 'the task "Write it down":\nA fjord is deep.' in last
    assert [(each.content, each.provider, each.status) for each in turns(message)] == [
        ("Fjords are deep.", "researcher", "complete"),
        ("A fjord is deep.", "writer", "complete"),
        ("Fjords: deep.", "editor", "complete"),
    ]
    assert all(each.parent_id == message.pk and each.attempts.count() == 1 for each in turns(message))


@pytest.mark.parametrize("runner", ["thread", "inline"], indirect=True)
def test_every_task_streams_and_its_events_say_where_they_belong(conversation: Conversation, runner) -> None:
    """Seeds: F-01, F-02, F-03, F-04."""
    events = list(three().stream("About fjords", conversation=conversation))

    assert texts(events) == {0: "Fjords are deep.", 1: "A fjord is deep.", 2: "Fjords: deep."}
    assert [each.task_index for each in events] == sorted(each.task_index for each in events)
    done = [each for each in events if each.is_complete]
    assert [(each.task, each.agent, each.response) for each in done] == [
        ("Find out", "researcher", "Fjords are deep."),
        ("Write it down", "writer", "A fjord is deep."),
        ("Shorten it", "editor", "Fjords: deep."),
    ]
    assert all(each.is_streaming != each.is_complete for each in events)


def test_a_task_streams_while_it_is_written(conversation: Conversation) -> None:
    """Seeds: F-01, F-03."""
    pause = threading.Event()
    stream = three(research=(["Fjords ", pause, "are deep."],)).stream(conversation=conversation)

    first = next(stream)

    assert (first.chunk, first.is_streaming, first.agent) == ("Fjords ", True, "researcher")
    pause.set()
    assert texts([first, *stream])[0] == "Fjords are deep."


async def test_crews_work_in_async_code(conversation: Conversation) -> None:
    crew = three()

    events = [event async for event in crew.astream("go", conversation=conversation)]
    message = await three().arun(conversation=conversation)

    assert texts(events)[2] == "Fjords: deep." == message.content
    assert [event.task_index async for event in afollow_crew(message) if event.is_complete] == [0, 1, 2]


def test_one_agent_does_one_task(runner) -> None:
    """Seeds: F-01, F-02."""
    events = list(agent("poet", ["Blue ", "fjord."]).stream(Task("Write a line")))

    assert "".join(event.chunk for event in events) == events[-1].response == "Blue fjord."
    assert agent("poet", ["Again."]).run(Task("Write a line")).content == "Again."


async def test_one_agent_does_one_task_in_async_code(db) -> None:
    events = [event async for event in agent("poet", ["Blue ", "fjord."]).astream(Task("Write"))]

    assert events[-1].response == "Blue fjord."
    assert (await agent("poet", ["Again."]).arun(Task("Write"))).content == "Again."


def test_agents_have_tools_and_their_events_are_told(conversation: Conversation, runner) -> None:
    crew = Crew(
        [agent("scout", [ToolCall("1", "weather", {"city": "Oslo"})], ["It is cold."], tools=[site.weather])],
        [Task("Look outside")],
    )

    events = list(crew.stream(conversation=conversation))

    assert [each.event.kind for each in events if each.event] == ["tool_call", "tool_result", "text"]
    assert events[-1].response == "It is cold."


def test_the_result_of_a_task_may_be_an_object(conversation: Conversation, runner) -> None:
    class Place(BaseModel):
        city: str

    crew = Crew([agent("scout", ['I say {"city": "Oslo"}.'])], [Task("Where?", schema=Place)])

    message = crew.run(conversation=conversation)

    assert message.content == '{"city":"Oslo"}'


def test_a_callback_is_called_with_each_finished_message_and_hurts_nobody(
    conversation: Conversation, runner, caplog
) -> None:
    """Seeds: F-03."""
    seen: list[tuple[str, str]] = []

    def keep(message: Message) -> None:
        seen.append((message.content, Message.objects.get(pk=message.pk).status))

    async def akeep(message: Message) -> None:
        seen.append((message.content, "async"))
        raise ValueError("a site's own")

    crew = Crew([agent("poet", ["one"], ["two"])], [Task("First", callback=keep), Task("Second", callback=akeep)])

    message = crew.run(conversation=conversation)

    assert (message.status, seen) == (Status.COMPLETE, [("one", "complete"), ("two", "async")])
    assert "a site's own" in caplog.text


def test_the_crews_message_is_what_the_conversation_goes_on_from(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    crew_message = three().run("About fjords", conversation=conversation)
    provider = ScriptedProvider(["They are."])

    answer = conversation.ask("Deep?", model=provider)

    assert answer.parent.parent_id == crew_message.pk
    assert [each.text for each in provider.prompts[0].messages] == ["About fjords", "Fjords: deep.", "Deep?"]


def test_viewers_of_the_crews_message_are_told_of_every_task_from_any_cursor(conversation: Conversation) -> None:
    message = three().run(conversation=conversation)

    for position in range(7):
        seen = Follower(f"{message.pk}.{position}").read(message.stream_response(after=position))
        news = [event["data"]["value"] for event in seen.events if event["event"] == "data"]
        told = [(each["index"], each["status"]) for each in news]
        assert told == [(index, status) for index in range(3) for status in ("streaming", "complete")][position:]
        assert seen.text == "Fjords: deep."


def test_whoever_watches_the_conversation_gets_all_of_its_crews_work_also_after_a_pause(
    conversation: Conversation,
) -> None:
    pause = threading.Event()
    three(research=(["Fjords ", pause, "are deep."],)).start("About fjords", conversation=conversation)

    with watching(conversation) as until_it_is:
        view = until_it_is(lambda view: "Fjords " in view.texts.values())
    pause.set()
    with watching(conversation, view) as until_it_is:
        view = until_it_is(lambda view: [*view.statuses.values()] == ["complete"] * 5)

    assert view.texts == truth(conversation)
    assert list(view.texts.values()).count("Fjords: deep.") == 2


def test_the_conversation_is_busy_with_its_crew(conversation: Conversation) -> None:
    pause = threading.Event()
    message = three(research=(["a", pause],)).start(conversation=conversation)
    until(lambda: Message.objects.filter(parent=message).exists())

    with pytest.raises(ConversationBusy) as caught:
        conversation.ask("Hello?")

    assert caught.value.live_message == message.pk
    assert [each.live_in_id for each in turns(message)] == [None]
    pause.set()
    assert message.wait(60).status == Status.COMPLETE


class TestStops:
    def test_a_stop_of_the_crew_stops_the_agent_and_keeps_what_was_said(self, conversation: Conversation) -> None:
        pause = threading.Event()
        crew = three(research=(["Fjords ", pause],))
        stream = crew.stream(conversation=conversation)
        first = next(stream)
        message = Message.objects.get(live_in=conversation)

        assert message.cancel()

        with pytest.raises(AnswerStopped):
            list(stream)
        turn = Message.objects.get(pk=first.message_id)
        assert (turn.wait(60).status, turn.content) == (Status.CANCELLED, "Fjords ")
        assert len(turns(message)) == 1

    def test_a_stop_of_an_agent_stops_the_crew(self, conversation: Conversation) -> None:
        pause = threading.Event()
        message = three(research=(["Fjords ", pause],)).start(conversation=conversation)
        turn = Message.objects.get(pk=next(follow_crew(message)).message_id)

        assert turn.cancel()

        assert message.wait(60).status == Status.CANCELLED
        assert len(turns(message)) == 1

    def test_what_an_agent_fails_with_is_what_the_crew_fails_with(self, conversation: Conversation, runner) -> None:
        crew = three(research=(["Fjords ", ServerError("no more")],))

        with pytest.raises(ServerError):
            list(crew.stream(conversation=conversation))

        message, turn = conversation.messages.order_by("number")
        assert (message.status, message.error_code) == (turn.status, turn.error_code) == (Status.FAILED, "server")
        assert turn.content == "Fjords "


class TestResuming:
    def test_what_is_done_is_not_done_again_and_no_tool_runs_twice(self, conversation: Conversation, runner) -> None:
        ran: list[str] = []

        def order(what: str) -> str:
            ran.append(what)
            return f"ordered {what}"

        def crew(*scripts: Any) -> Crew:
            agents = [
                agent("buyer", [ToolCall("1", "order", {"what": "tea"})], ["Tea it is."], tools=[order]),
                agent("cook", *scripts, tools=[order]),
                agent("host", ["Welcome."]),
            ]
            return Crew(agents, [Task("Buy"), Task("Cook"), Task("Greet")])

        before = crew([ToolCall("2", "order", {"what": "fish"})], ["The fish ", ServerError("gone")])
        first = before.run("A dinner", conversation=conversation)
        assert (first.status, ran) == (Status.FAILED, ["tea", "fish"])

        after = crew(["Dinner is ready."])
        second = after.resume(first).wait(60)

        assert (second.status, second.content, ran) == (Status.COMPLETE, "Welcome.", ["tea", "fish"])
        assert after.agents[0].model.prompts == []
        [prompt] = after.agents[1].model.prompts
        assert "The user's request:\nA dinner" in prompt.messages[1].text and "Tea it is." in prompt.messages[1].text
        assert [part.get("result") for part in prompt.messages[2].parts] == [None, "ordered fish"]
        assert second.parent_id == first.parent_id
        told = [event for event in follow_crew(second) if event.is_complete]
        assert [event.response for event in told] == ["Tea it is.", "Dinner is ready.", "Welcome."]

    def test_it_can_be_resumed_again_and_again(self, conversation: Conversation, settings) -> None:
        settings.CONVERSE_STREAM = {"RUNNER": "inline"}
        fails = ["2", ServerError("x")]
        agents = [agent("one", ["1"]), agent("two", fails, fails, ["2"]), agent("three", ["3"])]
        crew = Crew(agents, [Task("A"), Task("B"), Task("C")])

        first = crew.run(conversation=conversation)
        second = crew.resume(first)
        third = crew.resume(second)

        assert [each.status for each in (first, second, third)] == ["failed", "failed", "complete"]
        assert len(agents[0].model.prompts) == 1
        assert third.content == "3"

    def test_what_cannot_be_resumed_says_why(self, conversation: Conversation) -> None:
        crew = three()
        done = crew.run(conversation=conversation)
        with pytest.raises(NothingToAnswer):
            crew.resume(done)

        pause = threading.Event()
        slow = three(research=(["a", pause],))
        live = slow.start(conversation=conversation)
        until(lambda: len(turns(live)) == 4)
        with pytest.raises(ConversationBusy):
            slow.resume(live)
        live.cancel()
        pause.set()

        failing = Crew([agent("a", ["1"]), agent("b", ["2", ServerError("x")])], [Task("A"), Task("B")])
        failed = failing.run(conversation=Conversation.objects.create())
        with pytest.raises(InvalidContent, match="these tasks"):
            Crew(failing.agents, [Task("Another"), Task("B")]).resume(failed)
        with pytest.raises(InvalidContent, match="these tasks"):
            failing.resume(Conversation.objects.create().ask("go", model=InTurn(["1", ServerError("x")])).wait(60))

    def test_it_is_resumed_once_and_then_what_has_resumed_it(self, conversation: Conversation, settings) -> None:
        settings.CONVERSE_STREAM = {"RUNNER": "inline"}
        crew = Crew([agent("a", ["1"]), agent("b", ["2", ServerError("x")])], [Task("A"), Task("B")])
        first = crew.run(conversation=conversation)
        second = crew.resume(first)

        with pytest.raises(InvalidContent, match=str(second.pk)):
            crew.resume(first)
        assert crew.resume(second).status == Status.FAILED

    def test_a_turn_is_not_tried_again_by_itself(self, conversation: Conversation) -> None:
        message = three().run(conversation=conversation)

        with pytest.raises(InvalidContent, match="crew"):
            turns(message)[0].retry()


@pytest.mark.parametrize(
    ("agents", "tasks"),
    [([], [Task("a")]), ([Agent("a", "b")], []), ([Agent("a", "b")], [Task("c", agent=Agent("other", "d"))])],
)
def test_a_crew_without_somebody_for_each_task_is_refused(agents: Any, tasks: Any) -> None:
    with pytest.raises(ValueError, match="crew"):
        Crew(agents, tasks)


@pytest.mark.parametrize("bad", ["", " ", None])
def test_tasks_and_agents_without_words_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="needs"):
        Task(bad)
    with pytest.raises(ValueError, match="needs"):
        Agent(bad, "goal")


def test_what_is_wrong_with_an_agent_is_told_before_anything_is_written(conversation: Conversation) -> None:
    for wrong, error in (({"model": "nobody:m"}, UnknownModel), ({"tools": ["no.such"]}, InvalidOptions)):
        crew = Crew([Agent("a", "b"), Agent("c", "d", **wrong)], [Task("x"), Task("y")])
        with pytest.raises(error):
            crew.start("go", conversation=conversation)
    assert not conversation.messages.exists()


def test_an_answer_at_its_limit_is_a_result(conversation: Conversation) -> None:
    crew = Crew([agent("poet", ["cut", Finish("length", "max_tokens")])], [Task("Write")])

    assert crew.run(conversation=conversation).content == "cut"


class InATestCase(TestCase):
    def test_a_crew_works_in_a_transaction(self) -> None:
        with override_settings(CONVERSE_STREAM={"RUNNER": "inline"}):
            message = three().run("go")

        self.assertEqual(message.content, "Fjords: deep.")
