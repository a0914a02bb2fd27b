"""The Chat Completions decoder, over recorded traffic of every server that speaks the format, and constructed traps."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.events import Delta, Finish, Served, Text, ToolCall, Usage
from converse_stream.exceptions import BadRequest, Overloaded, ProtocolError, RateLimited, ServerError, Truncated
from converse_stream.providers.codecs.chat import ChatDecoder
from converse_stream.providers.xai import XAIDecoder
from converse_stream.registry import provider
from tests.providers.codecs.decoding import assert_same_however_cut, assert_says, finish, joined, only
from tests.providers.codecs.decoding import decode as decode_as
from tests.recordings import Recording, recordings

STREAMS = recordings(streams=True)
OUTSIDE = [each for each in STREAMS if each.values[0] and "reasoning_tokens_outside" in each.values[0].sidecar["tags"]]


def decoder_of(recording: Recording) -> type[ChatDecoder]:
    return type(provider(recording.path.parent.name)).apis["chat"].decoder


def decode(*pieces: bytes, kind: type[ChatDecoder] = ChatDecoder) -> tuple[list[Delta], Any]:
    return decode_as(kind, *pieces)


def stream(*events: Any, done: bool = True) -> bytes:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if done else [])]).encode()


def says(content: Any = None, *, finish: str | None = None, index: int = 0, **delta: Any) -> dict[str, Any]:
    delta = delta if content is None else {"content": content, **delta}
    return {"id": "r1", "model": "m1", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def calls(*fragments: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return says(tool_calls=list(fragments), finish=finish)


def fragment(index: int | None = 0, id: Any = None, name: str | None = None, arguments: Any = "") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "function": function} if index is None else {"index": index, "id": id, "function": function}


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_says_what_its_sidecar_expects(recording):
    assert_says(decoder_of(recording), recording)


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_is_the_same_however_it_was_cut(recording):
    """Seeds: T-01."""
    assert_same_however_cut(decoder_of(recording), recording)


@pytest.mark.parametrize("recording", OUTSIDE)
def test_reasoning_tokens_are_counted_on_top_only_where_a_server_does_so(recording):
    inside, _ = decode(recording.body)
    outside, _ = decode(recording.body, kind=XAIDecoder)

    assert only(inside, Usage)[0].output_tokens == recording.expected["output_tokens"]
    assert only(outside, Usage)[0].output_tokens == recording.expected["output_tokens_incl_reasoning"]


def test_a_plain_answer_is_served_said_counted_and_finished_in_this_order():
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
    body = stream(says("Hello"), says(" you"), says(finish="stop"), {"choices": [], "usage": usage})

    deltas, error = decode(body)

    assert error is None
    assert deltas == [
        Served("m1", "r1"),
        Text("Hello"),
        Text(" you"),
        Usage(3, 2, 1, None),
        Finish("stop", "stop"),
    ]


@pytest.mark.parametrize("text", ["0", "[DONE]", "data: x", "DONE", "\n\nevent: x", " ", "false", "null"])
def test_no_text_is_taken_for_something_else(text):
    """Seeds: P-07, T-02."""
    deltas, _ = decode(stream(says(text), says(finish="stop")))

    assert joined(deltas, Text) == text


@pytest.mark.parametrize("content", [None, "", [], {}, 7, True, [None, "x", {"type": "reference"}]])
def test_content_that_is_no_text_says_nothing(content):
    deltas, error = decode(stream(says(content), says(finish="stop")))

    assert error is None
    assert only(deltas, Text) == []


def test_usage_that_nobody_reports_is_unknown_and_not_zero():
    deltas, _ = decode(stream(says("a"), says(finish="stop")))

    assert only(deltas, Usage) == []


@pytest.mark.parametrize("count", [-1, "5", True, 2**40, 1.5, None])
def test_counts_that_cannot_be_are_unknown(count):
    deltas, _ = decode(stream({**says("a", finish="stop"), "usage": {"prompt_tokens": count, "completion_tokens": 4}}))

    assert only(deltas, Usage) == [Usage(None, 4, None, None)]


def test_an_unknown_finish_reason_is_kept_and_means_stop():
    deltas, _ = decode(stream(says("a", finish="eos_token")))

    assert finish(deltas) == Finish("stop", "eos_token")


def test_an_ending_without_a_finish_reason_is_a_stop():
    deltas, error = decode(stream(says("a")))

    assert error is None
    assert finish(deltas) == Finish("stop", "")


def test_a_body_with_a_finish_reason_needs_no_done():
    deltas, error = decode(stream(says("a", finish="length"), done=False))

    assert error is None
    assert finish(deltas) == Finish("length", "length")


@pytest.mark.parametrize("body", [b"", b": keep-alive\n\n", stream(says("a"), done=False)])
def test_a_body_without_its_ending_is_truncated(body):
    deltas, error = decode(body)

    assert isinstance(error, Truncated)
    assert only(deltas, Finish) == []


def test_a_body_cut_within_an_event_is_truncated_and_keeps_the_text():
    deltas, error = decode(stream(says("Hel"), done=False) + b'data: {"choices": [{"delta": {"content": "l')

    assert isinstance(error, Truncated)
    assert joined(deltas, Text) == "Hel"


def test_unfinished_tool_calls_of_a_truncated_answer_are_not_run():
    deltas, error = decode(stream(calls(fragment(id="c1", name="delete", arguments='{"path": "/tmp')), done=False))

    assert isinstance(error, Truncated)
    assert only(deltas, ToolCall) == []


def test_a_finished_tool_call_with_a_stop_is_a_tool_call():
    deltas, _ = decode(stream(calls(fragment(id="c1", name="f", arguments="{}")), says(finish="stop")))

    assert finish(deltas) == Finish("tool_calls", "stop")


def test_a_tool_call_cut_by_the_length_limit_keeps_what_was_written():
    deltas, _ = decode(stream(calls(fragment(id="c1", name="f", arguments='{"a": ')), says(finish="length")))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f", None, '{"a": ')]
    assert finish(deltas).reason == "length"


def test_parallel_calls_by_index_are_put_together_in_order():
    body = stream(
        calls(fragment(1, "c1", "first", "")),
        calls(fragment(2, "c2", "second", "")),
        calls(fragment(1, arguments='{"a"'), fragment(2, arguments='{"b"')),
        calls(fragment(1, arguments=":1}"), fragment(2, arguments=":2}"), finish="tool_calls"),
    )

    deltas, _ = decode(body)

    assert only(deltas, ToolCall) == [
        ToolCall("c1", "first", {"a": 1}, '{"a":1}'),
        ToolCall("c2", "second", {"b": 2}, '{"b":2}'),
    ]


def test_calls_that_all_have_index_0_are_told_apart_by_id_and_name():
    body = stream(
        calls(fragment(0, "c1", "f", "{}")), calls(fragment(0, "c2", "f", '{"x": 2}')), says(finish="tool_calls")
    )

    deltas, _ = decode(body)

    assert [call.id for call in only(deltas, ToolCall)] == ["c1", "c2"]


def test_a_server_that_repeats_id_and_name_in_each_fragment_makes_one_call():
    body = stream(calls(fragment(0, "c1", "f", '{"a"')), calls(fragment(0, "c1", "f", ": 1}")), says(finish="stop"))

    deltas, _ = decode(body)

    assert only(deltas, ToolCall) == [ToolCall("c1", "f", {"a": 1}, '{"a": 1}')]


def test_calls_without_index_and_id_are_told_apart_by_place_and_get_ids():
    body = stream(calls(fragment(None, None, "f", {"a": 1}), fragment(None, "", "g", None)), says(finish="stop"))

    first, second = only(decode(body)[0], ToolCall)

    assert (first.name, first.arguments, second.name, second.arguments) == ("f", {"a": 1}, "g", {})
    assert first.id.startswith("call_")
    assert first.id != second.id


@pytest.mark.parametrize("index", [None, 0])
@pytest.mark.parametrize("pieces", [['{"a":1}'], ['{"a"', ":1}"]], ids=["whole", "in-pieces"])
def test_calls_without_ids_one_after_another_stay_apart(index, pieces):
    def one(name):
        return [calls(fragment(index, None, name if number == 0 else None, p)) for number, p in enumerate(pieces)]

    deltas, _ = decode(stream(*one("f"), *one("f"), *one("g"), says(finish="tool_calls")))

    found = only(deltas, ToolCall)
    assert [(made.name, made.raw) for made in found] == [("f", '{"a":1}'), ("f", '{"a":1}'), ("g", '{"a":1}')]
    assert len({made.id for made in found}) == 3


def test_a_server_that_repeats_the_name_in_each_fragment_makes_one_call():
    pieces = ['{"a"', ":", "1}", ""]

    deltas, _ = decode(stream(*[calls(fragment(None, None, "f", piece)) for piece in pieces], says(finish="stop")))

    assert [(made.name, made.arguments) for made in only(deltas, ToolCall)] == [("f", {"a": 1})]


def test_a_function_call_of_old_is_a_tool_call():
    events = [{"name": "f", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ":1}"}]
    body = stream(*[says(function_call=each) for each in events], says(finish="function_call"))

    deltas, _ = decode(body)

    assert [(made.name, made.arguments) for made in only(deltas, ToolCall)] == [("f", {"a": 1})]
    assert finish(deltas) == Finish("tool_calls", "function_call")


def test_a_function_call_beside_tool_calls_says_the_same_again():
    old = {"name": "f", "arguments": "{}"}

    deltas, _ = decode(stream(says(function_call=old, tool_calls=[fragment(0, "c1", "f", "{}")]), says(finish="stop")))

    assert [made.id for made in only(deltas, ToolCall)] == ["c1"]


def whole(choice: dict[str, Any]) -> tuple[list[Delta], Any]:
    decoder = ChatDecoder()
    return decoder.whole(json.dumps({"id": "r1", "model": "m1", "choices": [choice]}).encode()), decoder.error


def test_a_function_call_of_old_in_a_whole_answer_is_a_tool_call():
    message = {"content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}

    deltas, _ = whole({"message": message, "finish_reason": "function_call"})

    assert [(made.name, made.arguments) for made in only(deltas, ToolCall)] == [("f", {"a": 1})]


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize(("code", "kind"), [(429, RateLimited), (400, BadRequest), (502, ServerError)])
def test_an_error_within_a_choice_keeps_its_words_and_its_kind(is_streamed, code, kind):
    failed = {"finish_reason": "error", "error": {"message": "upstream said no", "code": code}}
    said = {"content": "a"}

    deltas, error = (
        decode(stream({"choices": [{"delta": said, **failed}]})) if is_streamed else whole({"message": said, **failed})
    )

    assert joined(deltas, Text) == "a"
    assert isinstance(error, kind)
    assert "upstream said no" in str(error)
    assert only(deltas, Finish) == []


def test_tool_arguments_past_all_measure_are_refused():
    body = stream(*[calls(fragment(0, "c1", "f", "x" * 1_000_000))] * 5)

    _, error = decode(body)

    assert isinstance(error, ProtocolError)


def test_an_error_event_ends_the_answer_after_what_was_said():
    body = stream(says("a"), {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, says("b"))

    deltas, error = decode(body)

    assert joined(deltas, Text) == "a"
    assert isinstance(error, RateLimited)
    assert str(error) == "slow down (rate_limit_exceeded)"
    assert only(deltas, Finish) == []


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ('data: {"error": {"message": "x", "type": "server_error"}}\n\n', ServerError),
        ('data: {"error": "x"}\n\n', ServerError),
        ('data: {"error": {"message": "x", "code": 529}}\n\n', Overloaded),
        ('data: {"object": "error", "message": "x", "type": "invalid_request_error"}\n\n', BadRequest),
        ('event: error\ndata: {"message": "x", "status_code": 400}\n\n', BadRequest),
        ("event: error\ndata: x\n\n", ServerError),
        ('{\n"error": {"code": 503, "message": "x"}\n}\n', Overloaded),
    ],
)
def test_errors_are_recognised_in_every_shape(event, kind):
    _, error = decode(stream(says("a"), done=False) + event.encode())

    assert isinstance(error, kind)
    assert str(error).startswith("x")


def test_an_error_beside_the_last_text_keeps_the_text():
    _, error = decode(stream(says("a"), {**says("b", finish="error"), "error": {"message": "lost", "code": 502}}))
    deltas, _ = decode(stream(says("a"), {**says("b", finish="error"), "error": {"message": "lost", "code": 502}}))

    assert joined(deltas, Text) == "ab"
    assert isinstance(error, ServerError)


@pytest.mark.parametrize("line", ["nonsense", "[]", "7", "null", '"text"', "{", "[" * 100_000])
def test_an_event_that_is_no_object_is_a_protocol_error_that_quotes_nothing(line):
    deltas, error = decode(stream(says("a"), line))

    assert isinstance(error, ProtocolError)
    assert "nonsense" not in str(error)
    assert joined(deltas, Text) == "a"


def test_nothing_after_the_ending_counts():
    decoder = ChatDecoder()
    first = decoder.feed(stream(says("a", finish="stop")))

    assert finish(first) == Finish("stop", "stop")
    assert decoder.feed(stream(says("b"), {"error": "late"})) == []
    assert decoder.close() == []
    assert decoder.error is None


def test_only_choice_0_counts():
    deltas, _ = decode(stream(says("a"), says("b", index=1, finish="length"), says(finish="stop")))

    assert joined(deltas, Text) == "a"
    assert finish(deltas) == Finish("stop", "stop")


def test_a_refusal_is_text_and_a_filtered_ending():
    deltas, _ = decode(stream(says(refusal="I'm "), says(refusal="sorry"), says(finish="stop")))

    assert joined(deltas, Text) == "I'm sorry"
    assert finish(deltas) == Finish("content_filter", "stop")


def test_the_model_is_told_once_and_as_soon_as_it_is_known():
    unnamed = {**says(), "model": ""}

    deltas, _ = decode(stream(unnamed, says("a"), {**says("b", finish="stop"), "model": "m2"}))

    assert deltas[:2] == [Served("m1", "r1"), Text("a")]
    assert len(only(deltas, Served)) == 1


def test_an_id_without_a_model_is_told_at_the_end():
    deltas, _ = decode(stream({**says("a", finish="stop"), "model": None}))

    assert only(deltas, Served) == [Served("", "r1")]


def test_the_first_fragment_of_a_tool_call_begins_the_answer():
    decoder = ChatDecoder()
    decoder.feed(stream(says(role="assistant"), done=False))
    assert not decoder.begun

    decoder.feed(stream(calls(fragment(id="c1", name="f")), done=False))

    assert decoder.begun


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "content", "tool_calls", "function", "index", "usage", "error", "id"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON, max_size=4))
def test_no_json_whatsoever_crashes_it(events):
    deltas, error = decode(stream(*events))

    assert (error is None) == bool(only(deltas, Finish))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_it(body):
    decode(stream(says("a"), done=False) + body)


def test_names_are_cut_to_what_a_column_can_hold():
    name = "m\x00\ud800" + "x" * 1000

    deltas, _ = decode(stream({"id": name, "model": name, "choices": []}, says(finish=name)))

    (served,) = only(deltas, Served)
    assert served == Served("m\ufffd\ufffd" + "x" * 197, "m\ufffd\ufffd" + "x" * 197)
    assert finish(deltas) == Finish("stop", "m\ufffd\ufffd" + "x" * 97)
