"""Keys: found where they are, shown nowhere."""

import pytest

from converse_stream.exceptions import AuthenticationFailed, RateLimited
from converse_stream.providers import keys

KEY = "sk-canary-123456"


async def later() -> str:
    return KEY


@pytest.mark.parametrize("source", [KEY, f" {KEY}\n", lambda: KEY, later])
async def test_a_key_comes_from_a_text_or_a_callable(source):
    assert (await keys.find(source)).reveal() == KEY


async def test_without_a_source_the_environment_is_asked(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)

    assert (await keys.find(None, "SOME_KEY")).reveal() == KEY
    assert not await keys.find(None, "OTHER_KEY")
    assert not await keys.find(None)


async def test_an_empty_key_is_none_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)

    assert not await keys.find("", "SOME_KEY")


@pytest.mark.parametrize("key", ["sk-canary\nx: y", "sk-canärý", "sk canary", "sk-canary\x00"])
async def test_a_key_that_no_header_can_carry_is_refused_without_being_told(key):
    with pytest.raises(AuthenticationFailed) as caught:
        await keys.find(key)

    assert "canar" not in str(caught.value)


def test_a_secret_is_shown_nowhere():
    secret = "Bearer " + keys.Secret(KEY)

    assert KEY not in f"{secret!r} {secret} {[secret]}"
    assert secret.reveal() == f"Bearer {KEY}"


def test_a_key_that_a_server_repeats_is_taken_out_of_the_error():
    with pytest.raises(RateLimited) as caught, keys.redacted(keys.Secret(KEY)):
        raise RateLimited(f"the key {KEY} is busy", retry_after=3)

    assert str(caught.value) == "the key [key] is busy"
    assert caught.value.retry_after == 3


def test_a_key_that_was_cut_is_taken_out_too_and_so_is_one_in_a_request_id():
    with pytest.raises(RateLimited) as caught, keys.redacted(keys.Secret("other-secret"), keys.Secret(KEY)):
        raise RateLimited(f"the key {KEY[:12]}", request_id=f"{KEY}-1")

    assert str(caught.value) == "the key [key]"
    assert caught.value.request_id == "[key]-1"


@pytest.mark.parametrize("key", ["", "a", "hand", KEY])
def test_hiding_leaves_other_text_as_it_is(key):
    assert keys.Secret(key).hide("a bird in the hand") == "a bird in the hand"


def test_without_a_key_errors_stay_as_they_are():
    with pytest.raises(RateLimited, match="busy"), keys.redacted(keys.Secret()):
        raise RateLimited("busy")
