"""Timeouts as a site gives them."""

import pytest

from converse_stream.providers.deadlines import Timeouts


def test_a_site_names_only_what_it_changes():
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
