"""Ollama's own format, over recorded traffic and constructed traps."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.events import Delta, Finish, Reasoning, Served, Text, ToolCall, Usage
from converse_stream.exceptions import ContextTooLong, ProtocolError, ServerError, Truncated
from converse_stream.providers.codecs.ollama import OllamaDecoder
from tests.providers.codecs.decoding import assert_same_however_cut, assert_says, finish, joined, only
from tests.providers.codecs.decoding import decode as decode_as
from tests.recordings import recordings

STREAMS = recordings(streams=True, api="ollama_chat")


def decode(*pieces: bytes) -> tuple[list[Delta], Any]:
    return decode_as(OllamaDecoder, *pieces)


def stream(*lines: Any) -> bytes:
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()


def says(content: Any = "", **message: Any) -> dict[str, Any]:
    return {
        "model": "m1",
        "created_at": "2026-11-21T10:00:00.1Z",
        "message": {"role": "assistant", "content": content, **message},
        "done": False,
    }


def ended(reason: Any = "stop", content: Any = "", **figures: Any) -> dict[str, Any]:
    return {**says(content), "done": True, "done_reason": reason, **figures}


def calls(*functions: Any) -> dict[str, Any]:
    return says(tool_calls=[{"function": function} for function in functions])


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_says_what_its_sidecar_expects(recording):
    assert_says(OllamaDecoder, recording)


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_is_the_same_however_it_was_cut(recording):
    """Seeds: T-01."""
    assert_same_however_cut(OllamaDecoder, recording)


def test_a_plain_answer_is_served_said_counted_and_finished_in_this_order():
    deltas, error = decode(stream(says("Hello"), says(" you"), ended(prompt_eval_count=3, eval_count=2)))

    assert error is None
    assert deltas == [Served("m1"), Text("Hello"), Text(" you"), Usage(3, 2), Finish("stop", "stop")]


def test_a_line_that_holds_line_separators_is_one_line():
    body = json.dumps(says("a\u2028b\u0085c\x1ed"), ensure_ascii=False).encode() + b"\n" + stream(ended())

    deltas, _ = decode(*[bytes([byte]) for byte in body])

    assert joined(deltas, Text) == "a\u2028b\u0085c\x1ed"


def test_text_in_the_last_line_counts():
    deltas, _ = decode(stream(says("a"), ended(content="b")))

    assert joined(deltas, Text) == "ab"


def test_thinking_comes_before_the_text_of_its_line():
    deltas, _ = decode(stream(says(thinking="hm"), says("yes", thinking=" so"), ended()))

    assert deltas[1:-1] == [Reasoning("hm"), Reasoning(" so"), Text("yes")]


@pytest.mark.parametrize("content", [None, [], {}, 7, True])
def test_content_that_is_no_text_says_nothing(content):
    deltas, error = decode(stream(says(content), says(thinking=content), ended()))

    assert error is None
    assert only(deltas, Text | Reasoning) == []


@pytest.mark.parametrize(
    ("figures", "usage"),
    [
        ({}, []),
        ({"eval_count": 4}, [Usage(None, 4)]),
        ({"prompt_eval_count": 3}, [Usage(3, None)]),
        ({"prompt_eval_count": "3", "eval_count": -1}, []),
        ({"prompt_eval_count": 0, "eval_count": 0}, [Usage(0, 0)]),
    ],
)
def test_counts_that_are_left_out_are_unknown_and_not_zero(figures, usage):
    deltas, _ = decode(stream(says("a"), ended(**figures)))

    assert only(deltas, Usage) == usage


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", Finish("stop", "stop")),
        ("length", Finish("length", "length")),
        ("load", Finish("stop", "load")),
        (None, Finish("stop", "")),
    ],
)
def test_the_last_line_tells_how_the_answer_ended(reason, expected):
    deltas, error = decode(stream(says("a"), ended(reason)))

    assert error is None
    assert finish(deltas) == expected


def test_tool_calls_have_objects_for_arguments_and_get_ids():
    body = stream(
        calls({"name": "look", "arguments": {"at": 1}}, {"name": "look", "arguments": {}}),
        calls({"index": 0, "name": "wait"}),
        ended(),
    )

    deltas, _ = decode(body)

    found = only(deltas, ToolCall)
    assert [(call.name, call.arguments, call.raw) for call in found] == [
        ("look", {"at": 1}, '{"at": 1}'),
        ("look", {}, "{}"),
        ("wait", {}, "{}"),
    ]
    assert len({call.id for call in found}) == 3
    assert finish(deltas) == Finish("tool_calls", "stop")


def test_made_up_ids_are_the_same_for_the_same_answer_and_others_for_another():
    call = calls({"name": "look", "arguments": {}})
    later = {**call, "created_at": "2026-11-21T10:00:07.2Z"}

    first, again, other = (only(decode(stream(each, ended()))[0], ToolCall)[0].id for each in (call, call, later))

    assert first == again
    assert first != other


def test_ids_that_a_server_gives_are_kept():
    deltas, _ = decode(stream(says(tool_calls=[{"id": "call_7", "function": {"name": "f", "arguments": {}}}]), ended()))

    assert only(deltas, ToolCall) == [ToolCall("call_7", "f", {}, "{}")]


def test_arguments_that_are_a_text_are_read_as_json():
    deltas, _ = decode(
        stream(calls({"name": "f", "arguments": '{"a": 1}'}, {"name": "g", "arguments": "{oops"}), ended())
    )

    assert [(call.arguments, call.raw) for call in only(deltas, ToolCall)] == [({"a": 1}, '{"a": 1}'), (None, "{oops")]


def test_arguments_nested_without_measure_are_refused():
    nested = '{"a":' * 300 + "1" + "}" * 300
    line = json.dumps(calls({"name": "f", "arguments": "X"})).replace('"X"', nested)

    _, error = decode(stream(line, ended()))

    assert isinstance(error, ProtocolError)


def test_tool_calls_of_a_truncated_answer_are_not_run():
    deltas, error = decode(stream(calls({"name": "delete", "arguments": {}})))

    assert isinstance(error, Truncated)
    assert only(deltas, ToolCall) == []


@pytest.mark.parametrize("body", [b"", b"\n\n", stream(says("a")), stream(says("a")) + b'{"model": "m1", "mess'])
def test_a_body_without_its_last_line_is_truncated(body):
    deltas, error = decode(body)

    assert isinstance(error, Truncated)
    assert only(deltas, Finish) == []


def test_a_last_line_without_its_end_counts():
    deltas, error = decode(stream(says("a"), ended()).rstrip())

    assert error is None
    assert finish(deltas).reason == "stop"


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ("CUDA error: out of memory", ServerError),
        ({"message": "CUDA error"}, ServerError),
        ("the input exceeds the context length of the model", ContextTooLong),
    ],
)
def test_an_error_line_ends_the_answer_after_what_was_said(complaint, kind):
    deltas, error = decode(stream(says("a"), {"error": complaint}, says("b"), ended()))

    assert joined(deltas, Text) == "a"
    assert type(error) is kind
    assert error.status == 200
    assert only(deltas, Finish) == []


@pytest.mark.parametrize("line", ["nonsense", "[]", "7", "null", '"text"', "{", "[" * 100_000])
def test_a_line_that_is_no_object_is_a_protocol_error_that_quotes_nothing(line):
    deltas, error = decode(stream(says("a"), line, ended()))

    assert isinstance(error, ProtocolError)
    assert "nonsense" not in str(error)
    assert joined(deltas, Text) == "a"


def test_a_line_without_end_is_refused():
    _, error = decode(*[b"x" * 1_000_000] * 2)

    assert isinstance(error, ProtocolError)


def test_nothing_after_the_ending_counts():
    decoder = OllamaDecoder()
    first = decoder.feed(stream(says("a"), ended(), says("b"), {"error": "late"}))

    assert joined(first, Text) == "a"
    assert decoder.feed(stream(says("c"))) == []
    assert decoder.close() == []
    assert decoder.error is None


@pytest.mark.parametrize("line", [says("a"), says(thinking="a"), calls({"name": "f"})])
def test_anything_said_begins_the_answer(line):
    decoder = OllamaDecoder()
    decoder.feed(stream(says()))
    assert not decoder.begun

    decoder.feed(stream(line))

    assert decoder.begun


def test_a_whole_answer_says_the_same():
    decoder = OllamaDecoder()
    answer = {**ended(content="Hello you", prompt_eval_count=3, eval_count=2)}
    answer["message"]["thinking"] = "hm"
    answer["message"]["tool_calls"] = [{"function": {"name": "f", "arguments": {"a": 1}}}]

    deltas = decoder.whole(json.dumps(answer).encode())

    assert decoder.error is None
    assert deltas[:3] == [Served("m1"), Reasoning("hm"), Text("Hello you")]
    assert only(deltas, ToolCall)[0].arguments == {"a": 1}
    assert deltas[-2:] == [Usage(3, 2), Finish("tool_calls", "stop")]


@pytest.mark.parametrize(
    ("body", "kind"), [(says("half"), Truncated), ({"error": "x"}, ServerError), ([], ProtocolError)]
)
def test_a_whole_answer_that_is_none_is_an_error(body, kind):
    decoder = OllamaDecoder()
    decoder.whole(json.dumps(body).encode())

    assert isinstance(decoder.error, kind)


FIELDS = ["model", "created_at", "message", "content", "thinking", "tool_calls", "function", "name", "arguments", "id"]
FIELDS += ["done", "done_reason", "prompt_eval_count", "eval_count", "error"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=15,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5), max_size=4))
def test_no_json_whatsoever_crashes_it(lines):
    deltas, error = decode(stream(*lines))

    assert (error is None) == bool(only(deltas, Finish))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_it(body):
    decode(stream(says("a")) + body)
