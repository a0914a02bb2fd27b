"""Timeouts as a site gives them."""

import asyncio

import pytest

from converse_stream.exceptions import ProviderTimeout
from converse_stream.providers.deadlines import Deadlines, Timeouts


def test_a_site_names_only_what_it_changes():
    """Seeds: L-07."""
    assert Timeouts.read({"idle": 5, "total": None}) == Timeouts(connect=10, idle=5, first_token=60, total=None)


def test_without_a_word_from_the_site_every_answer_has_an_end():
    assert Timeouts.read({}) == Timeouts(connect=10, idle=60, first_token=60, total=3600)


@pytest.mark.parametrize("seconds", [0, -1, "5", True, [5]])
def test_an_impossible_duration_is_refused(seconds):
    with pytest.raises(ValueError, match="'idle' must be a number of seconds"):
        Timeouts.read({"idle": seconds})


def test_an_unknown_timeout_is_refused():
    with pytest.raises(ValueError, match=r"'read'.*connect, idle, first_token, total"):
        Timeouts.read({"read": 5})


# Deadlines


async def test_a_wait_that_takes_too_long_is_broken_off():
    deadlines = Deadlines(Timeouts(first_token=0.02))

    with pytest.raises(ProviderTimeout, match="had not begun"), deadlines:
        await asyncio.Event().wait()


async def test_every_wait_after_the_deadline_fails_at_once():
    deadlines = Deadlines(Timeouts(first_token=0.001))
    await asyncio.sleep(0.01)  # a timer that is due later

    with pytest.raises(ProviderTimeout, match="had not begun"), deadlines:
        raise AssertionError("nothing is waited for any more")


async def test_after_the_first_token_only_the_total_counts():
    deadlines = Deadlines(Timeouts(first_token=0.02, total=0.1))
    deadlines.begun()

    with pytest.raises(ProviderTimeout, match="had not finished"), deadlines:
        await asyncio.Event().wait()


async def test_between_two_waits_nobody_is_interrupted():
    deadlines = Deadlines(Timeouts(first_token=0.001))

    await asyncio.sleep(0.01)  # a timer that is due later

    assert deadlines._late
    assert asyncio.current_task().cancelling() == 0


async def test_a_cancelled_task_stays_cancelled():
    async def wait() -> None:
        with Deadlines(Timeouts()):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_at_its_deadline_is_cancelled():
    async def wait() -> None:
        deadlines = Deadlines(Timeouts(first_token=0.02))
        with deadlines:
            try:
                await asyncio.Event().wait()
            finally:
                asyncio.current_task().cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait())


async def test_without_deadlines_there_is_no_timer():
    deadlines = Deadlines(Timeouts(first_token=None, total=None))

    with deadlines:
        await asyncio.sleep(0)

    assert deadlines._timer is None
