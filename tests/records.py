"""People, conversations and answers for tests that look at them from outside."""

from collections.abc import AsyncIterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser

from converse_stream.events import Delta, Finish, Text
from converse_stream.models import Conversation, Message
from converse_stream.prompts import Prompt
from converse_stream.providers import Provider


class Echo(Provider):
    """Says what it was told last, a word at a time."""

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        for word in prompt.messages[-1].text.split():
            yield Text(f"{word} ")
        yield Finish("stop")


def person(name: str, **fields: Any) -> AbstractUser:
    """Return a new user."""
    return get_user_model().objects.create_user(name, f"{name}@example.com", "password", **fields)


def answered(conversation: Conversation, text: str = "Hello there.") -> Message:
    """Return a finished answer that a writer has written."""
    with conversation.start_stream(model="scripted") as stream:
        stream.append(text)
    return stream.message
