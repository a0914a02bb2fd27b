"""The decoder of server-sent events. Examples keep the names they have in the standard, section 9.2.6."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.sse import ServerSentEvent, SSEDecoder


def decode(*pieces: bytes, **options: int) -> list[ServerSentEvent]:
    decoder = SSEDecoder(**options)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


def data(*pieces: bytes) -> list[str]:
    return [event.data for event in decode(*pieces)]


def test_stock_ticker_data_lines_join_with_newlines():
    assert data(b"data: YHOO\ndata: +2\ndata: 10\n\n") == ["YHOO\n+2\n10"]


def test_four_blocks_comment_id_and_empty_id():
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"

    assert decode(stream) == [("", "first event", "1"), ("", "second event", ""), ("", " third event", "")]


def test_two_events_with_and_without_a_space_are_the_same():
    assert data(b"data:test\n\ndata: test\n\n") == ["test", "test"]


def test_events_without_data_are_skipped():
    assert decode(b"data\n\ndata:\n\nretry: 3000\n\nid: 7\n\nevent: ping\n\n: comment\n\n") == []


def test_an_event_type_belongs_to_one_event_and_an_id_stays():
    events = decode(b"event: add\nid: 5\ndata: 1\n\ndata: 2\n\n")

    assert events == [("add", "1", "5"), ("", "2", "5")]


def test_an_id_with_nul_is_ignored():
    assert decode(b"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n")[1].id == "1"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_of_the_standard_ends_a_line(end):
    """Seeds: L-05."""
    assert data(end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])) == ["a\nb", "c"]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_what_str_splitlines_takes_for_a_line_end_is_text(character):
    assert data(f"data: a{character}b\n\n".encode()) == [f"a{character}b"]


def test_a_byte_order_mark_is_stripped_once():
    assert data(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n") == ["a", "c"]


def test_an_unterminated_last_event_is_flushed():
    assert data(b"data: a\n\ndata: b") == ["a", "b"]
    assert data(b"data: a\n\ndata: b\n") == ["a", "b"]


def test_a_carriage_return_and_its_line_feed_in_two_reads_are_one_line_end():
    assert data(b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n") == ["a\nb"]


def test_bytes_that_are_no_utf8_become_replacement_characters():
    assert data(b"data: a\xffb\n\n") == ["a\ufffdb"]


def test_lines_that_are_no_fields_are_kept_aside():
    decoder = SSEDecoder()

    events = list(decoder.feed(b'{\n  "error": "no"\n}\n\ndata: a\n\n'))

    assert [event.data for event in events] == ["a"]
    assert decoder.stray == '{\n  "error": "no"\n}'


def test_stray_lines_do_not_pile_up():
    decoder = SSEDecoder()
    for _ in range(300):
        list(decoder.feed(b"x" * 1000 + b"\n\n"))

    assert len(decoder.stray) <= 65_536 + 65


def test_an_event_over_the_limit_is_refused_however_it_arrives():
    with pytest.raises(ProtocolError):
        decode(b"data: " + b"x" * 100 + b"\n\n", max_event_bytes=100)
    with pytest.raises(ProtocolError):
        decode(*[b"data: x\n"] * 20, max_event_bytes=100)
    with pytest.raises(ProtocolError):
        decode(*[b"x"] * 101, max_event_bytes=100)


def test_events_before_one_over_the_limit_are_given():
    decoder, seen = SSEDecoder(max_event_bytes=100), []
    with pytest.raises(ProtocolError):
        seen.extend(event.data for event in decoder.feed(b"data: a\n\ndata: " + b"x" * 100))

    assert seen == ["a"]


def test_a_long_stream_of_small_events_and_comments_stays_under_the_limit():
    stream = b": keep-alive\n" * 50 + b"data: 0123456789\n\n" * 50

    assert len(decode(stream, max_event_bytes=100)) == 50


PIECES = [b"data: a\n", b"data:\xc3\xa9\xf0\x9f\x98\x80\r\n", b"\n", b"\r\n", b"\r"]
PIECES += [b"event: e\n", b": c\n", b"id: 1\r", b"x"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30), st.lists(st.integers(0, 300), max_size=12))
def test_splits_anywhere_change_nothing(parts, marks):
    """Seeds: P-07, L-05."""
    stream = b"".join(parts)
    places = sorted({min(mark, len(stream)) for mark in marks} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in pairwise(places)]

    assert decode(*pieces) == decode(stream)
    assert decode(*[stream[at : at + 1] for at in range(len(stream))]) == decode(stream)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_whatsoever_crash_it(stream):
    decode(stream)
