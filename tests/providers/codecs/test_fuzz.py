"""Whatever bytes arrive, a decoder ends: with an answer or one of our errors, in time, and without piling them up.

Recorded bodies are mutated, cut and split. `make fuzz EXAMPLES=100000` does so for long.
"""

import copy
import os
import time
import tracemalloc
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from converse_stream.events import Delta, Finish, Reasoning, Text, ToolCall
from converse_stream.exceptions import ProviderError
from converse_stream.providers.codecs import Decoder
from tests.providers.codecs.decoders import FORMATS, Stream, streams
from tests.providers.codecs.decoding import joined, only

Decoded: TypeAlias = tuple[list[Delta], ProviderError | None]
EXAMPLES = int(os.environ.get("EXAMPLES", "50"))
LONGEST = 48 * 1024
"""Bytes of a body that is mutated: a time limit for all needs one for their length."""
CPU_SECONDS = 0.1
STREAMS = streams()
SNIPPETS = [
    *(b"", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b": x\n\n", b"data:", b"data: \n\n", b"data: [DONE]\n\n"),
    *(b"event: error\n", b"id: \x00\n", b"retry: 1\n\n", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b"\xf0\x9f"),
    *(b"\xc2\x85", b"\xe2\x80\xa8", b"\\ud83d", b"\\u0000", b"null", b"true", b"-1", b"1e999", b"NaN", b"{}", b"[]"),
    *(b'""', b'"', b",", b"\\", b"}", b"]", b"}\n\n", b'{"error":"x"}', b'{"error":{"code":529}}\n', b"<html>"),
    *(b"9" * 5000, b'"index":0', b'"index":-7', b'"index":1e9', b'"type":"error"', b'"done":true', b'"id":"other"'),
    *(b'"finish_reason":"stop"', b'"arguments":"{"', b"[" * 2000, b'{"a":' * 2000),
]
"""What accidents leave behind."""
UNKNOWABLE = {"gemini/quotes-escaped.sse", "gemini/unknown-finish-enum.sse"}
"""Bodies of Gemini's first servers: each piece ends as if it were the last, so a cut between two cannot be noticed."""


def bodies(format: str) -> list[tuple[type[Decoder], bytes]]:
    return [(each.decoder, each.body[:LONGEST]) for each in STREAMS if each.format == format]


every_format = pytest.mark.parametrize("format", [each for each in FORMATS.values() if bodies(each)])


@st.composite
def mutated(draw: st.DrawFn, recorded: list[tuple[type[Decoder], bytes]]) -> tuple[type[Decoder], list[bytes]]:
    """Draw a recorded body after a few accidents, and the pieces in which it arrives."""
    kind, body = draw(st.sampled_from(recorded))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.sampled_from([0, 1, 2, 7, 40, 400, 4000])))
        change = draw(st.sampled_from(["replace", "repeat", "move", "flip"]))
        if change == "replace":
            between = draw(st.sampled_from(SNIPPETS) | st.binary(max_size=8))
        elif change == "repeat":
            between = body[start:end] * draw(st.integers(2, 4))
        elif change == "move":
            between = b""
            at = draw(st.integers(0, len(body)))
            body = body[:at] + body[start:end] + body[at:]
        else:
            between = bytes(byte ^ draw(st.sampled_from([1, 32, 128])) for byte in body[start : min(end, start + 4)])
        body = body[:start] + between + body[max(start, end) :]
    cuts = sorted(draw(st.sets(st.integers(0, len(body)), max_size=8)))
    return kind, [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def decode(kind: type[Decoder], pieces: list[bytes]) -> Decoded:
    decoder = kind()
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return [*deltas, *decoder.close()], decoder.error


def decode_whole(kind: type[Decoder], body: bytes) -> Decoded:
    decoder = kind()
    return decoder.whole(body), decoder.error


def timed(work: Callable[[], Decoded]) -> tuple[Decoded, float]:
    """Return what `work` returns, and the CPU that it took; it is done again where the garbage collector came by."""
    for _ in range(3):
        started = time.thread_time()
        result = work()
        took = time.thread_time() - started
        if took < CPU_SECONDS:
            break
    return result, took


LOAD = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(24 * 3600)
@every_format
def test_a_mutated_body_is_an_answer_or_an_error_in_time_however_it_is_split(format):
    recorded = bodies(format)

    @LOAD
    @given(mutated(recorded))
    def check(drawn):
        kind, pieces = drawn
        (deltas, error), took = timed(lambda: decode(kind, pieces))

        assert took < CPU_SECONDS
        assert len(only(deltas, Finish)) == (error is None)
        assert error is not None or isinstance(deltas[-1], Finish)
        whole, same = decode(kind, [b"".join(pieces)])
        assert (said(whole), type(same), str(same)) == (said(deltas), type(error), str(error))

    check()


@pytest.mark.timeout(24 * 3600)
@every_format
def test_a_mutated_whole_answer_is_an_answer_or_an_error(format):
    recorded = [(kind, line) for kind, body in bodies(format) for line in body.splitlines() if line.startswith(b"{")]
    recorded += [
        (kind, line[6:]) for kind, body in bodies(format) for line in body.splitlines()[-9:] if line[6:7] == b"{"
    ]

    @LOAD
    @given(mutated(recorded))
    def check(drawn):
        kind, pieces = drawn
        (deltas, error), took = timed(lambda: decode_whole(kind, b"".join(pieces)))

        assert took < CPU_SECONDS
        assert len(only(deltas, Finish)) == (error is None)

    check()


def said(deltas: list[Delta]) -> tuple:
    """Return what deltas say, however their text is cut."""
    others = [delta for delta in deltas if not isinstance(delta, Text | Reasoning)]
    return joined(deltas, Text), joined(deltas, Reasoning), others


def cuts(body: bytes) -> list[int]:
    """Return where to cut: everywhere in a short body; in a long one at its end, and at some of its lines' ends."""
    everywhere = range(len(body))
    if len(body) <= 1500 or EXAMPLES > 1000:
        return list(everywhere)
    ends = [at for at in everywhere if body[at - 1 : at] == b"\n"]
    return sorted({*ends[:: len(ends) // 50 + 1], *everywhere[-300:]})


@pytest.mark.timeout(24 * 3600)
@pytest.mark.parametrize("stream", [each for each in STREAMS if str(each) not in UNKNOWABLE], ids=str)
def test_a_body_cut_anywhere_is_truncated_an_error_or_whole(stream: Stream):
    kind, body = stream.decoder, stream.body
    whole, error = decode(kind, [body])
    decoder, deltas, fed = kind(), [], 0

    for at in cuts(body):
        deltas += decoder.feed(body[fed:at])
        fed = at
        twin = copy.deepcopy(decoder)
        ended = [*deltas, *twin.close()]

        if twin.error is not None:
            assert only(ended, Finish) == []
        else:  # all that was said had arrived: only usage may be missing
            assert error is None
            assert only(ended, Finish) == only(whole, Finish)
            assert said(ended)[:2] == said(whole)[:2]
            assert only(ended, ToolCall) == only(whole, ToolCall)


@every_format
@pytest.mark.parametrize("filler", [b"data: {}\n\n", b": keep-alive\n\n", b"{}\n", b"\r", b"x\n", b"id: 1\n"])
def test_events_without_end_that_say_nothing_take_no_memory(format, filler):
    decoder, block, taken = bodies(format)[0][0](), filler * (4096 // len(filler)), []
    tracemalloc.start()
    try:
        for _ in range(2):
            for _ in range(32):  # 128 KiB: more than what is kept of lines that mean nothing
                decoder.feed(block)
            taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert taken[1] - taken[0] < 16 * 1024


@every_format
@pytest.mark.parametrize("filler", [b"x", b"data: ", b'{"a":', b"data: [1,", b"\xf0\x9f\x98\x80"])
def test_an_event_without_end_takes_no_more_memory_than_one_may(format, filler):
    decoder, block = bodies(format)[0][0](), filler * (65_536 // len(filler))
    tracemalloc.start()
    try:
        for _ in range(1024):  # 64 MiB
            decoder.feed(block)
            if decoder.done:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert decoder.error is not None
    assert peak < 32 * 1024 * 1024
