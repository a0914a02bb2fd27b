"""What a broker is: it tells other processes that a message has news. It may lose what it is told."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable


class Broker(ABC):
    """A way to tell other processes that messages have news. No text travels here; a lost hint costs only time."""

    @classmethod
    def problems(cls) -> Iterable[str]:
        """Return what keeps it from working with the site's settings, in words, for `manage.py check`."""
        return ()

    @abstractmethod
    def publish(self, message_ids: Iterable[str]) -> None:
        """Tell the other processes. Must return quickly and raise nothing."""

    @abstractmethod
    def listen(self, callback: Callable[[Iterable[str]], None]) -> None:
        """Call `callback` in any thread with the ids that other processes publish, from now on."""

    def close(self) -> None:
        """End what runs in the background."""
        return
