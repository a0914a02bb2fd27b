"""The runner for tests and scripts: the answer is written before `submit` returns, in the caller's transaction."""

import logging

from converse_stream.generation import Generation
from converse_stream.recorder import InlineRecorder
from converse_stream.runners.base import Runner
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")


class InlineRunner(Runner):
    """Runs in the caller's thread; a provider's event loop has one of its own, which never touches the database."""

    def submit(self, generation: Generation) -> None:
        """Write the whole answer. Its errors are on the message, as with every runner."""
        stream = PrismStream(generation.message, InlineRecorder(), transforms=generation.transforms)
        try:
            generation.run(stream)
        except Exception:
            # The one place that a crash of a source ends in: the stream has recorded and logged it.
            if not stream.is_closed:
                raise
