"""A crew that waits in a queue: another process does its work from the row alone."""

import json
import os
import subprocess
import sys

import pytest
from pydantic import BaseModel

from converse_stream.agents import Agent, Crew, Task, follow_crew
from converse_stream.exceptions import InvalidOptions
from converse_stream.models import Conversation, Message, Status
from converse_stream.runners import QueueRunner, perform
from tests.agents.kitchen import WORDS, praise, stamp
from tests.servers import ROOT, database_url
from tests.turns import InTurn

pytestmark = pytest.mark.django_db(transaction=True)

SITE = {
    "RUNNER": "tests.agents.test_queued.Shelf",
    "PROVIDERS": {role: {"class": "tests.agents.kitchen.Worker", "model": "fine"} for role in WORDS},
}


class Shelf(QueueRunner):
    """A queue that nobody takes anything from but the test."""

    def enqueue(self, message_id: str) -> None:
        return


@pytest.fixture(autouse=True)
def _site(settings) -> None:
    settings.CONVERSE_STREAM = SITE


def kitchen(**options) -> Crew:
    agents = [Agent(role, "make dinner", role, tools=[stamp], backstory="Hungry.") for role in WORDS]
    return Crew(agents, [Task("Buy", "Fish", **options), Task("Cook"), Task("Invite")])


def turns(message: Message) -> list[Message]:
    return list(message.children.order_by("number"))


@pytest.mark.slow
def test_another_process_does_the_work_of_a_crew(conversation: Conversation) -> None:
    """Seeds: F-04."""
    message = kitchen(callback=praise).start("Dinner for two", conversation=conversation)
    assert (message.status, message.children.count()) == (Status.PENDING, 0)

    script = f"import django; django.setup(); from converse_stream.runners import perform; perform({str(message.pk)!r})"
    env = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    env["CONVERSE_STREAM"] = json.dumps(SITE)
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=os.environ | env)
    events = list(follow_crew(message, timeout=40))
    assert process.wait(40) == 0

    assert [event.response for event in events if event.is_complete] == [
        "Wait. " + "".join(words) for words in WORDS.values()
    ]
    message.refresh_from_db()
    assert (message.status, message.content) == (Status.COMPLETE, "Wait. Dinner is ready.")
    [stamped] = {part["result"].partition(" in ")[2] for turn in turns(message) for part in turn.tool_results}
    assert stamped == str(process.pid)
    assert turns(message)[0].metadata["praised"] == process.pid


def test_a_crew_is_resumed_in_the_queue(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = SITE | {"MAX_STEPS": 2}
    crew = kitchen()
    first = crew.start("Dinner", conversation=conversation)
    settings.CONVERSE_STREAM = {**SITE, "PROVIDERS": SITE["PROVIDERS"] | {"cook": {"class": "tests.records.Nobody"}}}
    perform(str(first.pk))
    first.refresh_from_db()
    assert (first.status, first.error_code) == (Status.FAILED, "internal")

    settings.CONVERSE_STREAM = SITE
    second = crew.resume(first)
    perform(str(second.pk))

    second.refresh_from_db()
    assert (second.status, second.content) == (Status.COMPLETE, "Wait. Dinner is ready.")
    assert len(turns(second)) == 3


def test_a_task_keeps_its_schema(conversation: Conversation) -> None:
    class Menu(BaseModel):
        fish: str

    message = Crew([Agent("cook", "", "cook")], [Task("Plan", schema=Menu)]).start(conversation=conversation)

    assert message.request["turns"][0]["generation"]["schema"]["properties"]["fish"]["type"] == "string"


@pytest.mark.parametrize("what", ["model", "callback"])
def test_what_only_this_process_knows_is_done_here(conversation: Conversation, what: str) -> None:
    crew = kitchen(callback=lambda message: None)
    if what == "model":
        crew = Crew([Agent("poet", "rhyme", InTurn(["Blue."]))], [Task("Write")])

    message = crew.start(conversation=conversation)

    assert message.wait(60).status == Status.COMPLETE


def test_a_tool_that_other_processes_cannot_find_is_refused(conversation: Conversation) -> None:
    def inside(what: str) -> str:
        return what

    crew = Crew([Agent("buyer", "", "buyer", tools=[inside])], [Task("Buy")])

    with pytest.raises(InvalidOptions, match="other processes"):
        crew.start(conversation=conversation)
    assert not conversation.messages.exists()
