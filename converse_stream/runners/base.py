"""What a runner is: the place where generations execute."""

from abc import ABC, abstractmethod

from converse_stream.generation import Generation


class Runner(ABC):
    """Executes generations. `submit` is called after the commit that created the message."""

    @abstractmethod
    def submit(self, generation: Generation) -> None:
        """Start a generation."""
