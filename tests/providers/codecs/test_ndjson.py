"""Newline-delimited JSON, cut in every way a network might."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.ndjson import NDJSONDecoder


def decode(*pieces: bytes, **limits: int) -> list[str]:
    decoder = NDJSONDecoder(**limits)
    return [line for piece in pieces for line in decoder.feed(piece)] + list(decoder.close())


def test_lines_end_at_a_line_feed():
    assert decode(b'{"a":1}\n{"b":2}\n') == ['{"a":1}', '{"b":2}']


def test_carriage_returns_blank_lines_and_a_byte_order_mark_say_nothing():
    assert decode(b"\xef\xbb\xbf{}\r\n\r\n \t\n\n[]\r\n") == ["{}", "[]"]


def test_a_last_line_without_its_end_counts():
    assert decode(b"{}\n[1") == ["{}", "[1"]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e", "\r"])
def test_nothing_else_ends_a_line(character):
    assert decode(f'"a{character}b"\n'.encode()) == [f'"a{character}b"']


def test_what_is_no_utf_8_is_replaced():
    assert decode(b'"\xff"\n') == ['"\ufffd"']


def test_a_line_may_be_as_large_as_the_limit_and_no_larger():
    assert decode(b"x" * 10 + b"\n" + b"y" * 10, max_line_bytes=10) == ["x" * 10, "y" * 10]
    with pytest.raises(ProtocolError, match="10 bytes"):
        decode(b"x" * 6, b"x" * 5, max_line_bytes=10)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=8)), st.data())
def test_lines_are_the_same_however_they_were_cut(lines, data):
    body = "\n".join(lines).encode("utf-8", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    assert decode(*pieces) == decode(body)
