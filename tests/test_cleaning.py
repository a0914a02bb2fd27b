import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converse_stream.cleaning import clean_json, clean_text, split_half

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_cleaned_text_can_be_stored_and_is_clean(text: str) -> None:
    cleaned = clean_text(text)

    cleaned.encode()
    assert "\x00" not in cleaned
    assert clean_text(cleaned) == cleaned


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")))
def test_text_that_can_be_stored_is_kept_exactly(text: str) -> None:
    """Seeds: L-11."""
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud800x", "\ufffdx"),
        ("x\udc00", "x\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\u2028\u202e\ufeff", "\u2028\u202e\ufeff"),
    ],
)
def test_what_cannot_be_stored_becomes_a_replacement_character(text: str, stored: str) -> None:
    """Seeds: F-13, T-02."""
    assert clean_text(text) == stored


def test_the_first_half_of_a_pair_is_split_off() -> None:
    assert split_half("ab\ud83d") == ("ab", "\ud83d")
    assert split_half("ab\ude00") == ("ab\ude00", "")


def test_json_is_cleaned_at_every_depth() -> None:
    dirty = {"a\x00": [float("nan"), float("inf"), {"b": "\ud800"}, (1, True, None)]}

    cleaned = clean_json(dirty)

    assert cleaned == {"a\ufffd": [None, None, {"b": "\ufffd"}, [1, True, None]]}
    json.dumps(cleaned, allow_nan=False).encode()


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not a JSON value"):
        clean_json({"a": object()})
