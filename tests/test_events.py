import pytest
from hypothesis import given
from hypothesis import strategies as st

from converse_stream.events import (
    Data,
    Event,
    Reasoning,
    Text,
    ToolCall,
    Usage,
    fold,
    merge,
    to_delta,
    to_part,
    unfold,
    width,
)

PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, st.text(min_size=1)),
        st.builds(lambda text: {"type": "reasoning", "text": text}, st.text(min_size=1)),
        st.builds(lambda value: {"type": "data", "name": "n", "value": value}, st.integers()),
        st.builds(lambda id: {"type": "tool_call", "id": id, "name": "f", "arguments": {}}, st.text()),
    )
)


def joined(parts: list[dict[str, object]]) -> list[dict[str, object]]:
    return fold(unfold("m", parts))


@given(PARTS)
def test_folding_what_was_unfolded_gives_the_parts_back(parts: list[dict[str, object]]) -> None:
    """Seeds: P-06."""
    assert joined(joined(parts)) == joined(parts)
    assert sum(map(width, joined(parts))) == sum(map(width, parts))


@given(PARTS, st.data())
def test_a_finished_message_resumes_from_any_position(parts: list[dict[str, object]], data: st.DataObject) -> None:
    """Seeds: P-01."""
    length = sum(map(width, parts))
    cut = data.draw(st.integers(0, length))

    seen = [event for event in unfold("m", parts) if event.end <= cut]
    position = seen[-1].end if seen else 0
    rest = list(unfold("m", parts, position))

    assert fold([*seen, *rest]) == joined(parts)
    assert [event.start for event in rest[:1]] == ([position] if rest else [])


@given(st.lists(st.text(min_size=1, max_size=5)), st.data())
def test_merged_events_say_the_same_at_the_same_positions(texts: list[str], data: st.DataObject) -> None:
    events, at = [], 0
    for text in texts:
        kind = data.draw(st.sampled_from(["text", "reasoning"]))
        events.append(Event("m", kind, at, at + len(text), text))
        at += len(text)

    merged = list(merge(events))

    assert fold(merged) == fold(events)
    assert [event.start for event in merged[1:]] == [event.end for event in merged[:-1]]


def test_an_event_can_be_cut_at_a_position_inside() -> None:
    event = Event("m", "text", 10, 15, "hello").since(12)

    assert (event.start, event.end, event.text, event.id) == (12, 15, "llo", "m.15")


def test_an_ending_has_a_cursor_of_its_own() -> None:
    assert Event("m", "complete", 5, 5, {}).id == "m.end"


def test_what_a_source_yields_becomes_a_delta() -> None:
    assert to_delta("hi") == Text("hi")
    assert to_delta({"type": "reasoning", "text": "hm"}) == Reasoning("hm")
    assert to_delta({"type": "usage", "output_tokens": 3}) == Usage(output_tokens=3)
    assert to_delta(Data("p", 1)) == Data("p", 1)


@pytest.mark.parametrize("item", [3, None, b"bytes", {"type": "nonsense"}, {"text": "no type"}])
def test_anything_else_from_a_source_is_an_error_that_says_what_was_expected(item: object) -> None:
    with pytest.raises(TypeError, match="a source yielded"):
        to_delta(item)  # type: ignore[arg-type]


def test_raw_arguments_are_kept_where_there_are_any() -> None:
    assert to_part(ToolCall("1", "f", None, raw='{"a":'))["raw"] == '{"a":'
    assert "raw" not in to_part(ToolCall("1", "f", {}))
