"""A provider that says something else each time it is asked."""

from collections.abc import AsyncIterator, Iterable

from converse_stream.events import Delta
from converse_stream.prompts import Prompt
from converse_stream.testing import ScriptedProvider
from converse_stream.testing.scripted import Step


class InTurn(ScriptedProvider):
    """Follows its scripts, one for each prompt, the last one for all that come after."""

    def __init__(self, *scripts: Iterable[Step], name: str = "scripted", model: str = "script") -> None:
        super().__init__([], name, model)
        self.scripts = [ScriptedProvider(script).script for script in scripts]

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        self.script = self.scripts[min(len(self.prompts), len(self.scripts) - 1)]
        async for delta in super().deltas(prompt):
            yield delta
