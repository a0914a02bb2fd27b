"""Transforms without a database: whatever the cuts, the same comes out, at the same positions."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.events import TEXT_KINDS, Event, fold
from converse_stream.transforms import (
    Pipeline,
    Transform,
    at_most_every,
    by_line,
    by_sentence,
    by_word,
    moderate,
    pace,
    redact,
)
from converse_stream.transforms.cutting import LONGEST

ENDING = {"message": None}
CARD = r"\b\d{4}(?: \d{4}){3}\b"


def events(pieces, kind="text"):
    """Return the events of a message that says these pieces; a piece that is no str is a data value."""
    position, found = 0, []
    for piece in pieces:
        width = len(piece) if isinstance(piece, str) else 1
        data = piece if isinstance(piece, str) else {"type": "data", "name": "n", "value": piece}
        found.append(Event("m", kind if isinstance(piece, str) else "data", position, position + width, data))
        position += width
    return [*found, Event("m", "complete", position, position, ENDING)]


def passed(pieces, *transforms, kind="text"):
    """Return what comes out, fed one event at a time."""
    pipeline = Pipeline(transforms)
    return [out for event in events(pieces, kind) for out in pipeline.feed([event])]


def texts(found):
    return [event.data for event in found if event.kind in TEXT_KINDS]


def check_positions(found, length):
    """Events follow one another without a gap, each as long as its text, up to the ending."""
    position = 0
    for event in found:
        assert event.start == position
        position = event.end
        if event.kind in TEXT_KINDS:
            assert len(event.data) == event.end - event.start
    assert (found[-1].kind, position) == ("complete", length)


@pytest.mark.parametrize(
    ("transform", "text", "pieces"),
    [
        (by_sentence, "One. Two! Three?", ["One. ", "Two! ", "Three?"]),
        (by_sentence, "It costs 3.14, e.g. this. Yes.", ["It costs 3.14, e.g. this. ", "Yes."]),
        (by_sentence, 'He said "Go!" And so. ', ['He said "Go!" ', "And so. "]),
        (by_sentence, "A list\n- one\n\n- two", ["A list\n", "- one\n\n", "- two"]),
        (by_sentence, "你好。再见！「好。」嗯", ["你好。", "再见！", "「好。」", "嗯"]),  # noqa: RUF001 - as they are written
        (by_sentence, "Wait... what? No", ["Wait... what? ", "No"]),
        (by_word, "one  two\nthree", ["one  ", "two\n", "three"]),
        (by_word, " lead", [" ", "lead"]),
        (by_line, "one\n\ntwo", ["one\n", "\n", "two"]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_whole_pieces_come_out_wherever_the_text_was_cut(transform, text, pieces, size):
    """Seeds: C-14"""
    found = passed([text[at : at + size] for at in range(0, len(text), size)], transform())

    assert texts(found) == pieces
    check_positions(found, len(text))


@pytest.mark.parametrize("transform", [by_sentence, by_word, by_line])
def test_nobody_waits_for_an_end_that_never_comes(transform):
    found = passed(["x" * 1500] * 3, transform())

    assert list(map(len, texts(found))) == [LONGEST, LONGEST, 500]


@pytest.mark.parametrize("transform", [by_sentence, by_word])
@pytest.mark.parametrize("hostile", [" ", "\n", ".", "。", "\n ", '."'])
def test_no_text_makes_a_pattern_slow(transform, hostile):
    began = time.monotonic()

    found = passed([hostile] * 4000, transform())

    assert "".join(texts(found)) == hostile * 4000
    assert time.monotonic() - began < 10


def test_what_is_no_text_keeps_its_place():
    """Seeds: C-14"""
    found = passed(["One. Tw", {"step": 1}, "o. Three"], by_sentence())

    assert [event.data if event.kind == "text" else event.kind for event in found] == [
        "One. ", "Tw", "data", "o. ", "Three", "complete",
    ]  # fmt: skip
    check_positions(found, 16)


_TEXT = st.text(alphabet=" .!?\n\"'ab1234。」", max_size=60)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(_TEXT, max_size=8), data=st.data())
def test_all_transforms_together_lose_nothing_and_do_not_depend_on_cuts(pieces, data):
    """Seeds: C-14, C-15"""
    text = "".join(pieces)
    chain = [redact(CARD), by_sentence(), moderate(lambda text, full: True), by_word()]

    found, whole = passed(pieces, *chain), passed([text], *chain)

    assert texts(found) == texts(whole)
    assert "".join(texts(found)) == re.sub(CARD, lambda match: "█" * len(match[0]), text)
    check_positions(found, len(text))


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(alphabet="ab1 ", max_size=80),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    pattern=st.sampled_from([r"a+b", r"\b1\b", r"(?<=a)b", r"11+", r"a.{0,5}b", r"(?i)AB|1", r"\ba"]),
)
def test_what_is_masked_is_what_the_whole_text_would_have_masked(text, sizes, pattern):
    """Seeds: V-29"""
    pieces, at, turn = [], 0, 0
    while at < len(text):
        pieces.append(text[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1

    found = passed(pieces, redact(pattern, longest=80))

    assert "".join(texts(found)) == re.sub(pattern, lambda match: "█" * len(match[0]), text)
    check_positions(found, len(text))


@pytest.mark.parametrize("size", range(1, 21))
def test_a_card_number_is_seen_by_nobody_however_it_comes(size):
    """Seeds: V-29"""
    text = "Pay with 4111 1111 1111 1111 today."
    pipeline, seen = Pipeline([redact(CARD, longest=19)]), ""
    for event in events([text[at : at + size] for at in range(0, len(text), size)]):
        for out in pipeline.feed([event]):
            seen += out.data if out.kind == "text" else ""
            assert not re.search(r"\d", seen)

    assert seen == f"Pay with {'█' * 19} today."


def test_text_comes_as_soon_as_it_can_be_no_part_of_a_secret():
    pipeline = Pipeline([redact(CARD, longest=19)])

    out = pipeline.feed(events(["x" * 100])[:1])

    assert texts(out) == ["x" * 81]


def test_secrets_in_calls_and_results_are_masked_and_their_ids_are_not():
    """Seeds: V-29"""
    part = {"type": "tool_result", "id": "1234", "name": "1234", "result": {"1": ["is 1234", 1234]}, "is_error": False}
    call = {"type": "tool_call", "id": "1234", "name": "f", "arguments": {"pin": "1234"}, "raw": '{"pin": "1234"}'}
    pipeline = Pipeline([redact(r"\d{4}")])

    result, asked = pipeline.feed([Event("m", "tool_result", 0, 1, part), Event("m", "tool_call", 1, 2, call)])

    assert result.data == part | {"result": {"1": ["is ████", 1234]}}
    assert asked.data == call | {"arguments": {"pin": "████"}, "raw": '{"pin": "████"}'}


def test_events_come_together_and_not_too_often():
    """Seeds: C-15"""
    pipeline = Pipeline([at_most_every(0.2)])
    one, two, three, ending = events(["one ", "two ", "three"])

    assert pipeline.interval == 0.2
    assert pipeline.feed([one]) == [one]
    assert pipeline.feed([two]) == pipeline.feed() == []
    assert pipeline.feed([three, ending]) == [two, three, ending]


def test_held_events_are_let_go_when_their_time_comes():
    """Seeds: C-15"""
    pipeline = Pipeline([at_most_every(0.01)])
    one, two, _ending = events(["one ", "two "])
    pipeline.feed([one, two])
    began = time.monotonic()
    out = pipeline.feed([one])

    while not out:
        out = pipeline.feed()

    assert out == [one]
    assert time.monotonic() - began < 5


def test_text_comes_at_the_speed_of_reading():
    """Seeds: F-09"""
    pipeline, began = Pipeline([pace(400)]), time.monotonic()
    found = pipeline.feed(events(["x" * 100, "y" * 20]))

    while not (found and found[-1].is_ending):
        found += pipeline.feed()

    assert 0.2 < time.monotonic() - began < 5
    assert "".join(texts(found)) == "x" * 100 + "y" * 20
    check_positions(found, 120)


def test_a_hook_stops_a_stream_and_nothing_follows():
    """Seeds: V-29, C-14"""
    asked = []

    def check(text: str, full: str) -> bool:
        asked.append((text, full))
        return "bad" not in text

    pipeline = Pipeline([by_sentence(), moderate(check)])
    found = pipeline.feed(events(["Good. This is ", "bad. More. ", "And more."]))

    assert texts(found) == ["Good. "]
    assert (found[-1].kind, found[-1].data["error"]["code"]) == ("failed", "content_filter")
    assert asked == [("Good. ", "Good. "), ("This is bad. ", "Good. This is bad. ")]
    assert pipeline.feed(events(["again"])) == []


def test_a_hook_is_asked_about_the_tail():
    """Seeds: V-29"""
    found = passed(["This is bad"], by_sentence(), moderate(lambda text, full: "bad" not in text))

    assert (texts(found), found[-1].kind) == ([], "failed")


async def test_an_async_hook_is_awaited_and_a_sync_one_is_not_in_the_way():
    """Seeds: V-29"""

    async def check(text: str, full: str) -> bool:
        return "bad" not in text

    for hook in (check, lambda text, full: "bad" not in text):
        found = await Pipeline([by_sentence(), moderate(hook)]).afeed(events(["Good. Bad is bad."]))
        assert (texts(found), found[-1].kind) == (["Good. "], "failed")


def test_an_async_hook_is_awaited_from_sync_code_too():
    async def check(text: str, full: str) -> bool:
        return False

    assert passed(["x"], moderate(check))[-1].kind == "failed"


class Shout(Transform):
    """A transform of a site's own."""

    def text(self, event):
        yield Event(event.message_id, event.kind, event.start, event.end, event.data.upper())


def test_a_site_may_have_transforms_of_its_own():
    """Seeds: C-14"""
    found = passed(["One. ", {"step": 1}, "Two"], by_sentence(), Shout())

    assert texts(found) == ["ONE. ", "TWO"]
    assert fold(found[:-1])[1] == {"type": "data", "name": "n", "value": {"step": 1}}


def test_one_recipe_serves_many_streams():
    recipe = [by_sentence(), redact("x")]
    first, second = Pipeline(recipe), Pipeline(recipe)

    assert texts(first.feed(events(["half"])[:1])) == []
    assert texts(second.feed(events(["other"]))) == ["other"]


@pytest.mark.parametrize("wrong", [[by_sentence], by_sentence(), "by_sentence", [None], None])
def test_what_is_no_list_of_transforms_is_refused(wrong):
    with pytest.raises(TypeError):
        Pipeline(wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: at_most_every(0),
        lambda: at_most_every(float("nan")),
        lambda: pace(-1),
        lambda: pace(True),
        lambda: pace("fast"),
        lambda: redact("x", longest=0),
    ],
)
def test_a_transform_that_cannot_work_is_refused(make):
    with pytest.raises(ValueError):
        make()


@pytest.mark.parametrize("make", [lambda: redact("x", mask=None), lambda: moderate("check")])
def test_a_transform_of_the_wrong_kind_is_refused(make):
    with pytest.raises(TypeError):
        make()
