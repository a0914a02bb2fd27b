"""How processes tell each other that a message has news; `hint` tells everybody."""

from collections.abc import Collection
from functools import cache

from converse_stream.brokers.base import Broker
from converse_stream.brokers.local import local
from converse_stream.conf import load, settings

__all__ = ["Broker", "check", "configured", "hint", "local"]


@cache
def _load(path: str) -> Broker:
    broker: Broker = load("BROKER", path, Broker)()
    broker.listen(local.hint)
    return broker


def check() -> None:
    """Raise ImproperlyConfigured for a setting that names no broker."""
    if settings.BROKER != "local":
        load("BROKER", settings.BROKER, Broker)


def configured() -> Broker | None:
    """Return the broker between processes, or None with the setting `local`."""
    return None if settings.BROKER == "local" else _load(settings.BROKER)


def hint(message_ids: Collection[str]) -> None:
    """Tell this process and the others that these messages have news."""
    local.hint(message_ids)
    broker = configured()
    if broker is not None:
        broker.publish(message_ids)
