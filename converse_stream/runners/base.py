"""What a runner is: the place where generations execute."""

import threading
from abc import ABC, abstractmethod

from converse_stream.generation import Generation
from converse_stream.runners.performing import perform


class Runner(ABC):
    """Executes generations. `submit` is called after the commit that created the message."""

    def prepare(self, generation: Generation) -> None:
        """Get a generation ready before its message is saved. Raise what is wrong with it."""
        return

    @abstractmethod
    def submit(self, generation: Generation) -> None:
        """Start a generation."""

    def send(self, message_id: str) -> None:
        """Start an answer that waits, from its row alone."""
        threading.Thread(target=perform, args=(message_id,), name=f"converse-{message_id}", daemon=True).start()
