"""When commits are due."""

import time

from converse_stream.conf import settings
from converse_stream.recorder.pace import BUSY, ENOUGH, LONGEST, Pace


def settled(pace: Pace, rows: int, deltas: int, commits: int = 40) -> float:
    """Return the seconds between commits of this kind, once they have gone on for a while."""
    for _ in range(commits):
        pace.begin(of_all=True)
        pace.learn(rows, deltas)
    return pace.due(urgent=False) - pace.last


def test_a_quiet_process_commits_at_the_shortest_interval() -> None:
    assert abs(settled(Pace(), rows=BUSY - 1, deltas=BUSY - 1) - settings.FLUSH_INTERVAL) < 1e-6


def test_a_busy_process_waits_until_its_rows_hold_more() -> None:
    """Seeds: C-15."""
    assert abs(settled(Pace(), rows=200, deltas=200) - LONGEST) < 1e-6
    assert abs(settled(Pace(), rows=200, deltas=200 * ENOUGH) - settings.FLUSH_INTERVAL) < 1e-6


def test_what_is_urgent_does_not_wait_for_the_rest() -> None:
    pace = Pace()
    settled(pace, rows=200, deltas=200)

    pace.begin(of_all=False)
    pace.learn(1, 1)

    assert abs(pace.due(urgent=True) - pace.last - settings.FLUSH_INTERVAL) < 1e-6
    assert LONGEST / 2 < pace.due(urgent=False) - pace.last <= LONGEST


def test_a_process_that_was_idle_commits_at_once() -> None:
    pace = Pace()
    settled(pace, rows=1, deltas=1)

    assert pace.due(urgent=True) <= time.monotonic() + settings.FLUSH_INTERVAL
