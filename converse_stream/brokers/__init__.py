"""How processes tell each other that a message has news; `hint` tells everybody."""

from collections.abc import Collection
from functools import cache

from django.utils.module_loading import import_string

from converse_stream.brokers.base import Broker
from converse_stream.brokers.local import local
from converse_stream.conf import settings

__all__ = ["Broker", "configured", "hint", "local"]


@cache
def _load(path: str) -> Broker:
    broker: Broker = import_string(path)()
    broker.listen(local.hint)
    return broker


def configured() -> Broker | None:
    """Return the broker between processes, or None with the setting `local`."""
    return None if settings.BROKER == "local" else _load(settings.BROKER)


def hint(message_ids: Collection[str]) -> None:
    """Tell this process and the others that these messages have news."""
    local.hint(message_ids)
    broker = configured()
    if broker is not None:
        broker.publish(message_ids)
