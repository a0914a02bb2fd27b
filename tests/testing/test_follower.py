"""Follower: it sees what a viewer sees, and lets nothing pass."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from converse_stream.testing import Follower

ID = "5f0c0000-0000-4000-8000-000000000001"
PRELUDE = b"retry: 3000\n\n"


def event(kind: str, start: int, end: int | str, data: dict[str, object], of: str = ID) -> bytes:
    return f"id: {of}.{end}\nevent: {kind}\ndata: {json.dumps({'start': start, **data})}\n\n".encode()


def text(start: int, words: str, kind: str = "text") -> bytes:
    return event(kind, start, start + len(words), {"text": words})


def ending(start: int, content: str | None, kind: str = "complete", **data: object) -> bytes:
    return event(kind, start, "end", {"message": {"id": ID, "content": content}, **data})


START = event("start", 0, 0, {"message": {"id": ID}})
CALL = event("tool_call", 5, 6, {"type": "tool_call", "id": "c1", "name": "f", "arguments": {}})
WHOLE = [PRELUDE, START, text(0, "Héllo"), b": still here\n\n", CALL, text(6, " you🙂"), ending(11, "Héllo you🙂")]


def test_a_whole_stream_is_recorded():
    follower = Follower().read(WHOLE)

    assert follower.text == "Héllo you🙂"
    assert follower.parts == [{"type": "tool_call", "id": "c1", "name": "f", "arguments": {}}]
    assert (follower.position, follower.cursor, follower.ending) == (11, f"{ID}.end", "complete")
    assert [seen["event"] for seen in follower.events] == ["start", "text", "tool_call", "text", "complete"]
    assert follower.message == {"id": ID, "content": "Héllo you🙂"}


def test_bytes_may_be_cut_anywhere():
    stream = b"".join(WHOLE)

    follower = Follower().read(stream[at : at + 1] for at in range(len(stream)))

    assert follower.text == "Héllo you🙂"
    assert follower.ending == "complete"


async def test_an_async_body_is_read_the_same():
    async def body() -> AsyncIterator[bytes]:
        for piece in WHOLE:
            yield piece

    assert (await Follower().aread(body())).text == "Héllo you🙂"
    assert (await Follower().aread(body(), until=2)).text == "Héllo"


def test_reasoning_takes_positions_but_is_no_text():
    follower = Follower().read([text(0, "Hm", "reasoning"), text(2, "Yes")])

    assert (follower.text, follower.reasoning, follower.position) == ("Yes", "Hm", 5)


@pytest.mark.parametrize("seen", range(1, 5))
def test_reading_on_after_a_cut_continues_it(seen):
    follower = Follower().read(WHOLE, until=seen)
    content = [START, text(0, "Héllo"), CALL, text(6, " you🙂")]

    follower.read([PRELUDE, *content[seen:], WHOLE[-1]])

    assert follower.text == "Héllo you🙂"
    assert follower.cursor == f"{ID}.end"


def test_an_event_cut_in_two_by_the_end_of_a_response_is_not_seen():
    follower = Follower().read([START, text(0, "Hello")[:-20]])
    assert (follower.text, follower.position) == ("", 0)

    follower.read([text(0, "Hello")])

    assert follower.text == "Hello"


def test_following_may_begin_behind_a_cursor():
    follower = Follower(f"{ID}.6").read([text(6, " you🙂"), ending(11, "Héllo you🙂")])

    assert follower.text == " you🙂"


def test_a_reset_replaces_what_there_is():
    follower = Follower(f"{ID}.99").read([event("reset", 0, 0, {"message": {}}), text(0, "Hello"), ending(5, "Hello")])

    assert (follower.text, follower.position, follower.ending) == ("Hello", 5, "complete")


def test_a_failure_tells_its_error():
    follower = Follower().read([START, ending(0, "", "failed", error={"code": "server"})])

    assert (follower.ending, follower.error) == ("failed", {"code": "server"})


def test_an_ending_without_content_is_fine():
    assert Follower().read([text(0, "Hello"), ending(5, None)]).ending == "complete"


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        ([text(0, "Hello"), text(6, "x")], "begins at 6, but the viewer is at 5"),
        ([text(0, "Hello"), text(0, "Hello")], "begins at 0, but the viewer is at 5"),
        ([text(0, "Hello"), START], "begins at 0, but the viewer is at 5"),
        ([text(1, "x")], "begins at 1, but the viewer is at 0"),
        ([text(0, "Hello"), ending(4, None)], "begins at 4"),
        ([event("text", 0, 4, {"text": "Hello"})], "should leave the viewer at 5"),
        ([event("complete", 0, 0, {"message": {}})], "should leave the viewer at end"),
        ([START, event("text", 0, 1, {"text": "x"}, of="another")], f"is not of the message {ID}"),
        ([ending(0, None), text(0, "x")], "came after the ending 'complete'"),
        ([ending(0, None), ending(0, None)], "came after the ending 'complete'"),
        ([text(0, "Hello"), ending(5, "Hallo")], "not the 5 seen"),
    ],
)
def test_a_gap_a_repeat_or_a_lie_does_not_pass(stream, what):
    with pytest.raises(AssertionError, match=what):
        Follower().read(stream)


def test_positions_count_characters_and_join_without_a_gap():
    words = ["a", "é", "🙂", "\u2028", "data: [DONE]\n\n"]
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))

    follower = Follower().read([text(start, word) for (start, _), word in zip(pairwise(starts), words, strict=True)])

    assert follower.text == "".join(words)
