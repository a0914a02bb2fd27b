"""What is asked of a provider: the messages so far, the model and the options."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

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
class Said:
    """A message as a developer writes it down."""

    role: ClassVar[str]
    content: Any
    """A text, or a PromptTemplate."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SystemMessage(Said):
    """What a model is told."""

    role = "system"


@dataclass(frozen=True, slots=True)
class UserMessage(Said):
    """What a user says."""

    role = "user"


@dataclass(frozen=True, slots=True)
class AssistantMessage(Said):
    """What a model has answered."""

    role = "assistant"


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


def with_state_of(label: str, messages: Iterable[PromptMessage]) -> list[PromptMessage]:
    """Return the messages with only the state that `label`, a `provider:model`, has left; no other could read it.

    A part that showed nothing and has no state left is not there any more.
    """
    return [PromptMessage(message.role, list(_parts_of(label, message.parts))) for message in messages]


def _parts_of(label: str, parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        if "state" not in part:
            yield part
            continue
        own = [state["data"] for state in part["state"] if state["by"] == label]
        bare = {name: value for name, value in part.items() if name != "state"}
        if own:
            yield {**bare, "state": own}
        elif bare.get("text", True):
            yield bare
