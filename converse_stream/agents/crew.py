"""Crew: agents who do tasks one after another, each with the results of those before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from converse_stream.agents.following import CrewEvent, afollow_crew, follow_crew
from converse_stream.agents.progress import Progress
from converse_stream.agents.running import CrewGeneration, Turn
from converse_stream.agents.task import Request, Task
from converse_stream.asking import Wishes
from converse_stream.asking.starting import begin, prepare
from converse_stream.exceptions import ConversationBusy, InvalidContent, NothingToAnswer
from converse_stream.models import Conversation, Message, Role, Status
from converse_stream.models.contents import check_metadata
from converse_stream.models.items import said
from converse_stream.models.leases import end_lost
from converse_stream.models.opening import live

if TYPE_CHECKING:
    from converse_stream.agents.agent import Agent


@dataclass(frozen=True, slots=True)
class Crew:
    """Agents and their tasks. A crew is only a description: it can be started any number of times.

    What it does is one answer, the crew's message, which can be followed, stopped and started again; what each agent
    says is a message of its own beneath that. Tasks without an agent go to the agents in turn.
    """

    agents: Sequence[Agent]
    tasks: Sequence[Task]

    def __post_init__(self) -> None:
        if not self.agents or not self.tasks:
            raise ValueError("a crew needs agents and tasks")
        for task in self.tasks:
            if task.agent is not None and task.agent not in self.agents:
                raise ValueError(f"the task {task.description!r:.80} is given to an agent who is not in the crew")

    def agent_of(self, index: int) -> Agent:
        """Return who does a task."""
        return self.tasks[index].agent or self.agents[index % len(self.agents)]

    def start(
        self,
        prompt: Request = None,
        *,
        conversation: Conversation | None = None,
        metadata: Mapping[str, Any] | None = None,
        interrupt: bool = False,
    ) -> Message:
        """Begin in the background, and return the crew's message at once.

        The prompt is what the user asked for; it is stored, and all agents are told. Without a conversation there is
        a new one. Raise what `ask` raises before anything is written.
        """
        questions = [] if prompt is None else [said(Role.USER, prompt, None)]
        kept = {**check_metadata(metadata), "crew_tasks": self._titles}
        conversation = conversation or Conversation()
        turns = self._turns(conversation)
        request = questions[0].content if questions else ""
        generation = CrewGeneration(live(provider="", model="", metadata=kept), turns=turns, request=request)
        if conversation._state.adding:
            conversation.save()
        begin(conversation, questions, generation, interrupt=interrupt)
        return generation.message

    async def astart(self, prompt: Request = None, **options: Any) -> Message:
        """Begin as `start` does, from async code."""
        return await sync_to_async(self.start)(prompt, **options)

    def resume(self, message: Message) -> Message:
        """Start again after a crew's message that has failed or was stopped, and return the new one, beside it.

        Tasks that were done are not done again. The one that was interrupted begins anew, with the tools that have
        run and their results, so that these do not run again. Raise ConversationBusy while the message is live,
        NothingToAnswer if all is done, InvalidContent if it is no message of this crew, or has been resumed before.
        """
        message = Message.objects.select_related("conversation", "parent").get(pk=message.pk)
        if message.is_live and not end_lost([message.pk]):
            raise ConversationBusy(f"message {message.pk} is still being written", live_message=message.pk)
        message.refresh_from_db()
        if message.status == Status.COMPLETE:
            raise NothingToAnswer("this crew has done all of its tasks")
        if message.metadata.get("crew_tasks") != self._titles:
            raise InvalidContent("this is no message of a crew with these tasks and agents")
        again = message.conversation.messages.filter(metadata__resumes=str(message.pk)).first()
        if again is not None:
            raise InvalidContent(f"this crew has been resumed already, as message {again.pk}; resume that")
        progress = Progress.of(message)
        turns = self._turns(message.conversation)
        request = message.parent.content if message.parent is not None and message.parent.role == Role.USER else ""
        own = live(provider="", model="", metadata={"crew_tasks": self._titles, "resumes": str(message.pk)})
        generation = CrewGeneration(own, turns=turns, request=request, progress=progress)
        begin(message.conversation, [], generation, beside=message)
        return own

    async def aresume(self, message: Message) -> Message:
        """Start again as `resume` does, from async code."""
        return await sync_to_async(self.resume)(message)

    def stream(self, prompt: Request = None, **options: Any) -> Generator[CrewEvent, None, None]:
        """Start at once, and return an iterator of what happens; see `start` and `follow_crew`."""
        return follow_crew(self.start(prompt, **options))

    async def astream(self, prompt: Request = None, **options: Any) -> AsyncGenerator[CrewEvent, None]:
        """Start, when iteration begins, and yield as `stream` does, from async code."""
        message = await self.astart(prompt, **options)
        async with aclosing(afollow_crew(message)) as events:
            async for event in events:
                yield event

    def run(self, prompt: Request = None, **options: Any) -> Message:
        """Start, wait, and return the crew's message: its content is the result of the last task."""
        return self.start(prompt, **options).wait()

    async def arun(self, prompt: Request = None, **options: Any) -> Message:
        """Run as `run` does, from async code."""
        message = await self.astart(prompt, **options)
        return await message.await_ending()

    @property
    def _titles(self) -> list[list[str]]:
        """What is done, and by whom, as the record keeps it."""
        return [[task.description, self.agent_of(index).role] for index, task in enumerate(self.tasks)]

    def _turns(self, conversation: Conversation) -> list[Turn]:
        """Return who does what. Raise what is wrong with a model, an option, a tool or a schema."""
        turns = []
        for index, task in enumerate(self.tasks):
            agent = self.agent_of(index)
            wishes: Wishes = {
                "model": agent.model,
                "options": agent.options,
                "tools": agent.tools,
                "schema": task.schema,
            }
            turns.append(Turn(index, task, agent, prepare(conversation, {}, wishes)))
        return turns
