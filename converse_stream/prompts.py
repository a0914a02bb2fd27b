"""What is asked of a provider: the messages so far, the model and the options."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converse_stream.events import text_of

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt, in no provider's format."""

    role: str
    """system, user, assistant or tool."""
    parts: Sequence[Mapping[str, Any]]

    @property
    def text(self) -> str:
        """The text parts joined."""
        return text_of(self.parts)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything a provider needs to know for one answer."""

    messages: Sequence[PromptMessage]
    model: str
    """The model's name at its provider; empty where the provider has only one."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Only what the caller set: temperature, max_tokens, top_p, stop, seed, …"""


def to_messages(items: Iterable[PromptMessage | Mapping[str, Any]]) -> list[PromptMessage]:
    """Return prompt messages from `{"role", "content"}` or `{"role", "parts"}` mappings."""
    return [item if isinstance(item, PromptMessage) else _from_mapping(item) for item in items]


def _from_mapping(item: Mapping[str, Any]) -> PromptMessage:
    role = item.get("role")
    if role not in ROLES:
        raise ValueError(f"a prompt message has the role {role!r}; expected one of {', '.join(ROLES)}")
    parts = item.get("parts")
    if parts is None:
        parts = [{"type": "text", "text": item.get("content") or ""}]
    return PromptMessage(role, parts)
