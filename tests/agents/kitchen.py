"""A crew that can work in a process of its own, and gets stuck there."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from converse_stream.agents import Agent, Crew, Task
from converse_stream.events import Delta, Finish, Text, ToolCall
from converse_stream.models import Conversation, Message
from converse_stream.prompts import Prompt
from converse_stream.providers import Provider
from converse_stream.tools import tool

WORDS = {
    "buyer": ["Fish ", "and ", "tea ", "are ", "bought."],
    "cook": ["The ", "fish ", "is ", "fried."],
    "host": ["Dinner ", "is ", "ready."],
}


class Worker(Provider):
    """Calls its one tool, then talks; the model `stuck` falls silent in the middle of its words."""

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        role = self.name
        if not any(part["type"] == "tool_result" for message in prompt.messages for part in message.parts):
            yield Text("Wait. ")
            name = next(tool["name"] for tool in prompt.options["tools"])
            yield ToolCall(f"call-{role}", name, {"what": role})
            yield Finish("tool_calls")
            return
        for number, word in enumerate(WORDS[role]):
            if number == 2 and self.model == "stuck":
                await asyncio.Event().wait()
            yield Text(word)
        yield Finish("stop")


def crew(log: Path, *, stuck: bool) -> Crew:
    """Return three agents with a tool that writes down when it runs; the second gets stuck."""

    def note(what: str) -> str:
        """Note what is done."""
        with log.open("a") as file:
            file.write(f"{what}\n")
        return f"noted {what}"

    def agent(role: str) -> Agent:
        return Agent(role, "make dinner", Worker(role, "stuck" if stuck and role == "cook" else "fine"), tools=[note])

    return Crew([agent(role) for role in WORDS], [Task("Buy"), Task("Cook"), Task("Invite")])


def work(conversation_id: str, log: str) -> None:
    """Have a crew work that gets stuck, as the whole of a process."""
    crew(Path(log), stuck=True).run("Dinner for two", conversation=Conversation.objects.get(pk=conversation_id))


@tool
def stamp(what: str) -> str:
    """Say who does it."""
    return f"{what} in {os.getpid()}"


def praise(message: Message) -> None:
    """Keep with a turn who has praised it."""
    message.metadata = {**message.metadata, "praised": os.getpid()}
    message.save()
