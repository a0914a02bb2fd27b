"""Whom to ask next after a call that failed, and how long to wait before."""

import pytest

from converse_stream.exceptions import AuthenticationFailed, BadRequest, ContentFiltered, Overloaded, RateLimited
from converse_stream.generation.plan import FIRST_PAUSE, LONGEST_WAIT, PATIENCE, Plan
from converse_stream.testing import ScriptedProvider


def provider(name: str = "a", **options) -> ScriptedProvider:
    return ScriptedProvider([], name).replaced(name=name, model="m", options=options)


def test_pauses_double_and_never_are_the_same_for_all():
    firsts, seconds = set(), set()
    for _ in range(50):
        plan = Plan([provider()])
        firsts.add(plan.go_on(Overloaded()))
        seconds.add(plan.go_on(Overloaded()))
        assert plan.go_on(Overloaded()) is None

    assert len(firsts) > 40
    assert min(firsts) >= FIRST_PAUSE / 2 and max(firsts) <= FIRST_PAUSE
    assert min(seconds) >= FIRST_PAUSE and max(seconds) <= 2 * FIRST_PAUSE


def test_what_the_provider_asks_for_is_waited_and_a_little_more():
    pauses = {Plan([provider()]).go_on(RateLimited(retry_after=10)) for _ in range(50)}

    assert len(pauses) > 40
    assert min(pauses) >= 10 and max(pauses) <= 11


def test_all_pauses_together_have_a_limit():
    plan = Plan([provider("a"), provider("b")])

    assert plan.go_on(RateLimited(retry_after=LONGEST_WAIT / 2)) > 0
    assert plan.go_on(RateLimited(retry_after=LONGEST_WAIT / 2 + 1)) == 0.0
    assert plan.provider.name == "b"
    assert plan.go_on(RateLimited(retry_after=LONGEST_WAIT / 2 + 1)) is None


def test_nobody_is_asked_again_late_but_the_next_one_still_is():
    plan = Plan([provider("a"), provider("b")])
    plan._began -= PATIENCE

    assert plan.go_on(Overloaded()) == 0.0
    assert plan.provider.name == "b"
    assert plan.go_on(Overloaded()) is None


@pytest.mark.parametrize("error", [AuthenticationFailed(), BadRequest()])
def test_an_error_that_stays_is_the_next_ones_turn(error):
    plan = Plan([provider("a"), provider("b")])

    assert plan.go_on(error) == 0.0
    assert plan.provider.name == "b"


def test_a_refusal_by_a_filter_ends_the_chain():
    assert Plan([provider("a"), provider("b")]).go_on(ContentFiltered()) is None


def test_who_prefers_a_stream_is_asked_without_one_after_it_failed(settings):
    settings.CONVERSE_STREAM = {"RETRIES": 0}
    plan = Plan([provider(stream="prefer")])

    assert plan.stream_option is True
    assert plan.go_on(BadRequest()) == 0.0
    assert plan.stream_option is False
    assert plan.go_on(Overloaded()) is None


def test_the_next_provider_is_asked_for_a_stream_again():
    plan = Plan([provider("a", stream="prefer"), provider("b", stream="prefer")])

    plan.go_on(BadRequest())
    plan.go_on(BadRequest())

    assert (plan.provider.name, plan.stream_option) == ("b", True)


@pytest.mark.parametrize("stream", [None, True, False])
def test_who_says_how_to_be_asked_is_asked_so(stream):
    plan = Plan([provider(stream=stream)])

    assert plan.stream_option is None
    plan.go_on(Overloaded())
    assert plan.stream_option is None


@pytest.mark.parametrize("error", [AuthenticationFailed(), ContentFiltered()])
def test_what_is_not_about_streaming_is_not_asked_without(error):
    assert Plan([provider(stream="prefer")]).go_on(error) is None


def test_the_longest_wait_itself_is_waited() -> None:
    assert Plan([provider()]).go_on(RateLimited(retry_after=LONGEST_WAIT)) >= LONGEST_WAIT
