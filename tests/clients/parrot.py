"""A provider that says whatever a test wants to be said."""

import asyncio
from collections.abc import AsyncIterator

from converse_stream.events import Delta, Finish, Text
from converse_stream.exceptions import ServerError
from converse_stream.prompts import Prompt
from converse_stream.providers import Provider


class Parrot(Provider):
    """Says the question back, three characters at a time. One that begins with /fail fails where it ends."""

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        said = prompt.messages[-1].text
        for start in range(0, len(said), 3):
            await asyncio.sleep(0.01)
            yield Text(said[start : start + 3])
        if said.startswith("/fail"):
            raise ServerError("the parrot was asked to fail")
        yield Finish("stop")
