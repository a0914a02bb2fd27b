"""Windows: how much of a conversation a model is told, counted in messages or in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converse_stream.events import TEXT_KINDS, dumps, public_part
from converse_stream.prompts import PromptMessage

BYTES_PER_TOKEN = 4
"""Of UTF-8: four letters of English, two of Russian or Greek; a Chinese character is most of a token."""
PER_MESSAGE = 4
"""Tokens of a message beside its words."""
PER_FILE = 1500
"""Tokens of an image or a document, whatever its size."""


@dataclass(frozen=True, slots=True)
class Window:
    """The newest messages that fit: at most so many, and of at most so many tokens by our estimate.

    System messages are always told and never counted as messages, the newest message is always told, and a window
    begins with a user's message if it has one. Calls and their results are in one message, which is told whole.
    """

    messages: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("messages", "tokens"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"a window's {name} must be None or a whole number above 0, not {value!r}")

    def fit(self, prompt: Sequence[PromptMessage]) -> list[PromptMessage]:
        """Return what the window shows of a prompt, in order."""
        if self.messages is None and self.tokens is None:
            return list(prompt)
        spoken = [index for index, message in enumerate(prompt) if message.role != "system"]
        told = self._newest(prompt, spoken)
        users = [index for index in told if prompt[index].role == "user"]
        first = users[0] if users else told[0] if told else 0
        return [message for index, message in enumerate(prompt) if message.role == "system" or index >= first]

    def _newest(self, prompt: Sequence[PromptMessage], spoken: Sequence[int]) -> list[int]:
        room = None
        if self.tokens is not None:
            room = self.tokens - sum(estimate(message) for message in prompt if message.role == "system")
        newest: list[int] = []
        for index in reversed(spoken):
            if room is not None:
                room -= estimate(prompt[index])
            is_full = len(newest) == self.messages or (room is not None and room < 0)
            if newest and is_full:
                break
            newest.insert(0, index)
        return newest


def estimate(message: PromptMessage) -> int:
    """Return about how many tokens a message takes: one for every four bytes, and some for each message and file."""
    size = 0
    for part in message.parts:
        if part["type"] in TEXT_KINDS:
            size += len(part["text"].encode("utf-8", "surrogatepass"))
        elif part["type"] == "file":
            size += PER_FILE * BYTES_PER_TOKEN
        elif part["type"] != "data":  # which is for viewers only
            size += len(dumps(public_part(part)).encode("utf-8", "surrogatepass"))
    return PER_MESSAGE + -(-size // BYTES_PER_TOKEN)
