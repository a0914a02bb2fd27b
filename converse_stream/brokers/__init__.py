"""How processes tell each other that a message has news; `hint` tells everybody."""

import os
import threading
from collections.abc import Collection

from converse_stream.brokers.base import Broker
from converse_stream.brokers.local import local
from converse_stream.conf import load, settings

__all__ = ["BUILT_IN", "Broker", "check", "configured", "hint", "load_class", "local", "stop"]

BUILT_IN = {
    "channel_layer": "converse_stream.brokers.channel_layer.ChannelLayerBroker",
    "notify": "converse_stream.brokers.notify.NotifyBroker",
}
"""The brokers between processes, besides `local`, which is none."""

_brokers: dict[str, Broker] = {}
_lock = threading.Lock()


def load_class(name: object) -> type[Broker]:
    """Return the class that a value of `BROKER` other than `local` names. Raise ImproperlyConfigured."""
    return load("BROKER", BUILT_IN.get(name, name) if isinstance(name, str) else name, Broker)


def check() -> None:
    """Raise ImproperlyConfigured for a setting that names no broker."""
    if settings.BROKER != "local":
        load_class(settings.BROKER)


def configured() -> Broker | None:
    """Return the broker between processes, or None with the setting `local`."""
    name = settings.BROKER
    if name == "local":
        return None
    broker = _brokers.get(name)
    return _start(name) if broker is None else broker


def hint(message_ids: Collection[str]) -> None:
    """Tell this process and the others that these messages have news."""
    local.hint(message_ids)
    broker = configured()
    if broker is not None:
        broker.publish(message_ids)


def stop() -> None:
    """End what the brokers of this process run in the background."""
    with _lock:
        brokers = list(_brokers.values())
        _brokers.clear()
    for broker in brokers:
        broker.close()


def _start(name: str) -> Broker:
    with _lock:
        if name not in _brokers:
            broker = load_class(name)()
            broker.listen(local.hint)
            _brokers[name] = broker
        return _brokers[name]


def _forget() -> None:
    global _lock
    _lock = threading.Lock()
    _brokers.clear()  # their threads are the parent's


os.register_at_fork(after_in_child=_forget)
