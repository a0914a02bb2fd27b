"""However an answer was cut on the way, and wherever a viewer comes in, its client has the same in the end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.dialects import BUILT_IN
from converse_stream.events import TEXT_KINDS, Data, Event, Reasoning, Text, ToolCall, ToolResult, fold, width
from tests.dialects.answers import CONTENTS, ENDINGS, answer, content, dialect, ending, message, parts_of, start, tail
from tests.dialects.clients import read, sent

every_dialect = pytest.mark.parametrize("name", BUILT_IN)
every_dialect_with_cursors = pytest.mark.parametrize(
    "name", [name for name, known in BUILT_IN.items() if known.has_cursors]
)
every_answer = pytest.mark.parametrize("title", CONTENTS)

characters = st.one_of(st.sampled_from('a \n\r\t"\\/:.\u2028\x85é😀{}[]'), st.characters(exclude_categories=["Cs"]))
texts = st.text(characters, min_size=1, max_size=12)
values = st.one_of(st.none(), st.integers(), texts, st.dictionaries(texts, texts, max_size=2))
items = st.one_of(
    texts.map(Text),
    texts.map(Reasoning),
    st.builds(ToolCall, st.sampled_from(["a", "b"]), texts, values),
    st.builds(ToolResult, st.sampled_from(["a", "b", "c"]), texts, values, st.booleans()),
    st.builds(Data, texts, values),
)
endings = st.sampled_from([("complete", "stop"), ("failed", "error"), ("cancelled", "cancelled")])


def cut(events: list[Event], lengths: list[int]) -> list[Event]:
    """Cut the texts of an answer into pieces of these lengths, over and over."""
    pieces: list[Event] = []
    for event in events:
        while event.kind in TEXT_KINDS and lengths and event.end - event.start > lengths[0]:
            middle = event.start + lengths[0]
            head = Event(event.message_id, event.kind, event.start, middle, event.data[: lengths[0]])
            pieces.append(head)
            event, lengths = event.since(middle), [*lengths[1:], lengths[0]]
        pieces.append(event)
    return pieces


def position_of(cursor: str, length: int) -> int:
    position = cursor.rpartition(".")[2]
    return length if position == "end" else int(position or 0)


@every_dialect
@every_answer
def test_every_client_gets_the_text_and_the_ending(name: str, title: str) -> None:
    events = answer(title)
    text = "".join(event.text for event in events)

    seen = read(name, dialect(name).encoder().encode(events))

    status = ENDINGS.get(title, ("complete", ""))[0]
    is_told = name in ("native", "ai-sdk", "converse", "converse-progress") or status == "failed"
    assert seen.text == text
    assert seen.ending == (status if is_told else "" if name in ("text", "wiki") else "complete")


@every_dialect_with_cursors
@every_answer
def test_a_viewer_who_comes_in_anywhere_gets_exactly_the_tail(name: str, title: str) -> None:
    spoken, events = dialect(name), answer(title)
    length = events[-1].start
    text = "".join(event.text if event.kind == "text" else "\0" * (event.end - event.start) for event in events)

    for position in range(length + 1):
        told = spoken.encoder(position).encode(tail(events, spoken.reads_from(position)))
        assert read(name, told).text == text[position:].replace("\0", "")


@every_dialect_with_cursors
@every_answer
def test_a_viewer_who_comes_back_after_any_event_gets_the_very_bytes_he_missed(name: str, title: str) -> None:
    spoken, events = dialect(name), answer(title)
    whole = spoken.encoder().encode(events)

    for index in range(1, len(events)):
        before, missed = events[:index], events[index:]
        position = before[-1].end
        if name == "converse-progress":
            continue  # how many chunks there were depends on how they were cut
        again = events if spoken.reads_from(position) == 0 else missed
        told = spoken.encoder().encode(before), spoken.encoder(position).encode(again)
        if position:
            assert b"".join(told) == whole


@every_dialect
@given(items=st.lists(items, max_size=8), lengths=st.lists(st.integers(1, 5), max_size=5), end=endings)
@settings(max_examples=60, deadline=None)
def test_however_it_is_cut_and_merged_the_client_has_the_same(
    name: str, items: list[Any], lengths: list[int], end: tuple[str, str]
) -> None:
    whole = content(items)
    parts = fold(whole)
    events = [start(), *whole, ending(parts, *end)]
    joined = tail([start(), *_merged(parts), events[-1]], 0)

    seen = [read(name, dialect(name).encoder().encode(told)) for told in (events, cut(events, lengths), joined)]

    assert seen[0].text == "".join(item.text for item in items if isinstance(item, Text))
    assert seen[0] == seen[1] == seen[2]


def _merged(parts: list[dict[str, Any]]) -> list[Event]:
    events, at = list[Event](), 0
    for part in parts:
        data = part["text"] if part["type"] in TEXT_KINDS else part
        events.append(Event(start().message_id, part["type"], at, at + width(part), data))
        at += width(part)
    return events


@every_dialect_with_cursors
@given(items=st.lists(items, max_size=6), lengths=st.lists(st.integers(1, 5), max_size=5), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_client_that_is_cut_off_anywhere_and_comes_back_with_its_cursor_has_all(
    name: str, items: list[Any], lengths: list[int], data: st.DataObject
) -> None:
    """Seeds: T-07."""
    parts = fold(content(items))
    events = cut([start(), *content(items), ending(parts)], lengths)
    spoken = dialect(name)

    body = spoken.encoder().encode(events)
    cut_at = data.draw(st.integers(0, len(body)))
    first = read(name, body[:cut_at])
    position = position_of(first.cursor, events[-1].start)
    then = read(name, spoken.encoder(position).encode(tail(events, spoken.reads_from(position))))

    assert first.text + then.text == "".join(item.text for item in items if isinstance(item, Text))


@every_dialect
def test_an_event_is_encoded_once_for_all_who_view_it(name: str) -> None:
    events = answer("whole")
    spoken = dialect(name)
    spoken.encoder().encode(events)
    frames = {id(event): dict(event.frames) for event in events if event.text and event.frames}

    spoken.encoder().encode(events)

    again = {id(event): event.frames for event in events if id(event) in frames}
    assert all(again[key][name] is frame for key, kept in frames.items() for name, frame in kept.items())
    counts_along = name.endswith("-progress") or name == "prism"
    assert bool(frames) == (not counts_along)


def test_progress_of_an_answer_that_has_ended_does_not_go_on_counting_the_seconds() -> None:
    """Seeds: C-12."""
    said = content([Text("Hello, "), Text("wörld")])
    over = Event(said[0].message_id, "start", 0, 0, {"message": message(parts_of(said), "complete", "stop")})

    told = sent(dialect("converse-progress").encoder().encode([over, *said]))

    figures = {"chunks": 2, "characters": 12, "elapsed": 2, "speed": 6}
    assert json.loads(told[-1].data)["progress"] == figures
