"""The runner in the web process: one background event loop for all answers, and a thread for each sync source."""

from __future__ import annotations

import threading

from django.db import connections

from converse_stream.generation import Generation
from converse_stream.recorder import process_recorder
from converse_stream.runners import loop
from converse_stream.runners.base import Runner
from converse_stream.writer import PrismStream


class ThreadRunner(Runner):
    """Answers go on when the request that asked is over, under any server."""

    def submit(self, generation: Generation) -> None:
        """Start the generation in the background."""
        if generation.is_async:
            loop.begin(generation)
        else:
            name = f"converse-source-{generation.message.pk}"
            threading.Thread(target=_read, args=(generation,), name=name, daemon=True).start()


def _read(generation: Generation) -> None:
    stream = PrismStream(generation.message, process_recorder(), transforms=generation.transforms)
    try:
        generation.run(stream)
    except Exception:
        # The one place that a crash of a source ends in: the stream has recorded and logged it.
        if not stream.is_closed:
            raise
    finally:
        connections.close_all()
