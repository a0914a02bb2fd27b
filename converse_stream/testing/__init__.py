"""What a site tests with: a provider that follows a script, factories, a viewer, and a server that replays a provider.

The factories need the extra `testing` (factory-boy) and are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from converse_stream.testing.follower import Follower, Seen
from converse_stream.testing.replay import ReplayServer, Request
from converse_stream.testing.scripted import ScriptedProvider

if TYPE_CHECKING:
    from converse_stream.testing.factories import ConversationFactory, MessageFactory, UserFactory

__all__ = [
    "ConversationFactory",
    "Follower",
    "MessageFactory",
    "ReplayServer",
    "Request",
    "ScriptedProvider",
    "Seen",
    "UserFactory",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("converse_stream.testing.factories"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
