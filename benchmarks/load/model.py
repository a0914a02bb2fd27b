"""The sizing model: what a site asks of its database at most. docs/howto/grow.md says it in words."""

from dataclasses import dataclass

WORKER_CONNECTIONS = 6
"""The recorder's, the four database threads' and that of signals."""
GROWTH = 0.2
"""How much more memory a process may have at the end of the time than at its beginning."""


@dataclass(frozen=True)
class Site:
    """So many processes, and what their visitors do in a second."""

    webs: int
    workers: int
    asked: float
    """Answers begun, and ended."""
    joined: float
    """Viewers that came."""
    hints: str
    pool: int

    @property
    def statements(self) -> float:
        """Statements a second at most. The live answers, their deltas and their viewers are not among the terms."""
        reads = 4 if self.hints == "none" else 50  # one every POLL_INTERVAL; with hints every 20 ms at most
        return 25 * self.asked + 6 * self.joined + 205 * self.workers + (3 * reads + 2) * self.webs

    def connections(self, process: str) -> int:
        """Connections of one process at most."""
        own = 1 if self.hints == "notify" else 0
        return own + (min(WORKER_CONNECTIONS, self.pool) if process.startswith("worker") else self.pool)
