"""Structure: an answer that is to be an object is read as one, and said once more if it is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from converse_stream.events import Data
from converse_stream.exceptions import InvalidOutput
from converse_stream.prompts import PromptMessage
from converse_stream.providers.base import Provider
from converse_stream.schemas import INVALID, PARSED, Schema

_CUTS = ("tool_result", "data")


class Structure:
    """What one answer is to be, and whether it has had its second chance."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._wrong = ""

    def read(self, parts: Iterable[Mapping[str, Any]], finish_reason: str, *, is_last: bool) -> Data:
        """Return what to write down behind an answer: the object, or that the model is asked once more.

        Raise InvalidOutput for an answer that was cut, and for the second that is no such object.
        """
        if finish_reason in ("length", "content_filter"):
            raise InvalidOutput(f"the answer ended as {finish_reason} before it was the object asked for")
        try:
            return Data(PARSED, self._schema.read(_last_text(parts)))
        except InvalidOutput as error:
            if self._wrong or is_last:
                raise
            self._wrong = str(error)
            return Data(INVALID, {"errors": self._wrong})

    def options(self, provider: Provider) -> dict[str, Any]:
        """Return the option for a provider that has a word for this."""
        return {"schema": self._schema.option} if provider.supports_schema else {}

    def told(self, prompt: Sequence[PromptMessage], provider: Provider) -> list[PromptMessage]:
        """Return what to tell a model: for a provider without a word for this, with an instruction."""
        if provider.supports_schema:
            return list(prompt)
        place = next((place for place, each in enumerate(prompt) if each.role != "system"), len(prompt))
        return [*prompt[:place], _text("system", self._schema.instruction), *prompt[place:]]

    def complaint(self) -> list[PromptMessage]:
        """Return what the model is told after an answer that was no such object."""
        if not self._wrong:
            return []
        return [_text("user", f"That is not what was asked for:\n{self._wrong}\nAnswer again, with the JSON alone.")]


def _last_text(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return the text since the last tool or the last complaint."""
    text = ""
    for part in parts:
        if part["type"] in _CUTS:
            text = ""
        elif part["type"] == "text":
            text += part["text"]
    return text


def _text(role: str, text: str) -> PromptMessage:
    return PromptMessage(role, [{"type": "text", "text": text}])
