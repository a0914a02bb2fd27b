"""What a site tests with: a provider that follows a script, factories, a viewer, and a provider that goes wrong.

A provider of its own it tests with ProviderConformance.

The factories need the extra `testing` (factory-boy) and are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from converse_stream.testing.conformance import ProviderConformance
from converse_stream.testing.exchange import Request
from converse_stream.testing.faults import Cut, EndlessAnswer, EndlessLine, Fault, Garbage, Refusal, Reset, Stall
from converse_stream.testing.follower import Follower, Seen
from converse_stream.testing.proxy import FaultProxy
from converse_stream.testing.replay import ReplayServer
from converse_stream.testing.scripted import ScriptedProvider

if TYPE_CHECKING:
    from converse_stream.testing.factories import ConversationFactory, MessageFactory, UserFactory

__all__ = [
    "ConversationFactory",
    "Cut",
    "EndlessAnswer",
    "EndlessLine",
    "Fault",
    "FaultProxy",
    "Follower",
    "Garbage",
    "MessageFactory",
    "ProviderConformance",
    "Refusal",
    "ReplayServer",
    "Request",
    "Reset",
    "ScriptedProvider",
    "Seen",
    "Stall",
    "UserFactory",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("converse_stream.testing.factories"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
