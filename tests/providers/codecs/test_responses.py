"""The Responses decoder, over recorded traffic of every server that speaks the format, and constructed traps."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.events import Delta, Finish, Reasoning, Served, State, Text, ToolCall, Usage
from converse_stream.exceptions import (
    BadRequest,
    ContentFiltered,
    ContextTooLong,
    Overloaded,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Truncated,
)
from converse_stream.providers.codecs.responses import ResponsesDecoder
from converse_stream.providers.codecs.sse import MAX_EVENT_BYTES
from tests.providers.codecs.decoding import assert_same_however_cut, assert_says, finish, joined, only
from tests.providers.codecs.decoding import decode as decode_as
from tests.recordings import recordings

STREAMS = recordings(streams=True, api="responses")
ENCRYPTED = [each for each in STREAMS if each.values[0] and b'"encrypted_content":"' in each.values[0].body]


def decode(*pieces: bytes) -> tuple[list[Delta], Any]:
    return decode_as(ResponsesDecoder, *pieces)


def whole(response: Any) -> tuple[list[Delta], Any]:
    decoder = ResponsesDecoder()
    return decoder.whole(json.dumps(response).encode()), decoder.error


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def stream(*events: Any) -> bytes:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in events]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def response(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": "r1", "model": "m1", "status": status, **fields}


def ended(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return event(status, response=response(status, **fields))


CREATED = event("created", response=response("in_progress"))


def says(delta: Any, index: int = 0) -> dict[str, Any]:
    return event("output_text.delta", delta=delta, output_index=index, item_id=f"i{index}")


def thinks(delta: str, kind: str = "reasoning_summary_text", index: int = 0) -> dict[str, Any]:
    return event(f"{kind}.delta", delta=delta, output_index=index)


def item(happening: str, index: int | None, **fields: Any) -> dict[str, Any]:
    where = {} if index is None else {"output_index": index}
    return event(f"output_item.{happening}", **where, item=fields)


def call(number: int, arguments: str = "") -> dict[str, Any]:
    name = f"f{number}"
    return {"type": "function_call", "id": f"i{number}", "call_id": f"c{number}", "name": name, "arguments": arguments}


def fragment(delta: str, **where: Any) -> dict[str, Any]:
    return event("function_call_arguments.delta", delta=delta, **where)


def message(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "message", "content": list(content), **fields}


def output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text}


def thoughts(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}], **fields}


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_says_what_its_sidecar_expects(recording):
    assert_says(ResponsesDecoder, recording)


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_is_the_same_however_it_was_cut(recording):
    """Seeds: T-01."""
    assert_same_however_cut(ResponsesDecoder, recording)


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recorded_last_event_alone_says_the_same_as_the_whole_stream(recording):
    deltas, error = decode(recording.body)
    (last,) = [line for line in recording.body.splitlines() if b'"type":"response.completed"' in line] or [b""]
    if not last:
        pytest.skip("it was not completed")

    decoder = ResponsesDecoder()
    again = decoder.whole(json.dumps(json.loads(last.removeprefix(b"data:"))["response"]).encode())

    assert (error, decoder.error) == (None, None)
    assert [joined(again, kind) for kind in (Text, Reasoning)] == [joined(deltas, kind) for kind in (Text, Reasoning)]
    assert only(again, ToolCall | Usage | Finish) == only(deltas, ToolCall | Usage | Finish)
    assert {state.kind for state in only(again, State)} == {state.kind for state in only(deltas, State)}


@pytest.mark.parametrize("recording", ENCRYPTED)
def test_recorded_encrypted_reasoning_is_kept_right_after_what_it_shows(recording):
    deltas, _ = decode(recording.body)

    (state,) = only(deltas, State)
    assert state.kind == "reasoning"
    assert state.data["encrypted_content"]
    assert (state.data["type"], state.data["summary"][0]["text"]) == ("reasoning", recording.expected["reasoning"])
    assert isinstance(deltas[deltas.index(state) - 1], Reasoning)


def test_a_plain_answer_is_served_said_counted_and_finished_in_this_order():
    usage = {
        "input_tokens": 3,
        "output_tokens": 2,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 0},
    }

    deltas, error = decode(stream(CREATED, says("Hello"), says(" you"), ended(usage=usage)))

    assert error is None
    assert deltas == [
        Served("m1", "r1"),
        Text("Hello"),
        Text(" you"),
        Usage(3, 2, 1, 0),
        Finish("stop", "completed"),
    ]


@pytest.mark.parametrize("text", ["0", "[DONE]", "data: x", "event: error", "\u2028", " ", "null"])
def test_no_text_is_taken_for_something_else(text):
    deltas, _ = decode(stream(says(text), ended()))

    assert joined(deltas, Text) == text


@pytest.mark.parametrize("delta", [None, "", [], {}, 7, True])
def test_a_delta_that_is_no_text_says_nothing(delta):
    deltas, error = decode(stream(says(delta), ended()))

    assert error is None
    assert only(deltas, Text) == []


@pytest.mark.parametrize("count", [-1, "5", True, 2**40, 1.5, None])
def test_counts_that_cannot_be_are_unknown(count):
    deltas, _ = decode(stream(says("a"), ended(usage={"input_tokens": count, "output_tokens": 4})))

    assert only(deltas, Usage) == [Usage(None, 4, None, None)]


def test_usage_that_nobody_reports_is_unknown_and_not_zero():
    deltas, _ = decode(stream(says("a"), ended(usage=None)))

    assert only(deltas, Usage) == []


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("completed", None, Finish("stop", "completed")),
        ("incomplete", {"reason": "max_output_tokens"}, Finish("length", "incomplete:max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, Finish("content_filter", "incomplete:content_filter")),
        ("incomplete", {"reason": "steered"}, Finish("length", "incomplete:steered")),
        ("incomplete", None, Finish("length", "incomplete")),
        ("cancelled", None, Finish("cancelled", "cancelled")),
    ],
)
def test_the_last_event_tells_how_the_answer_ended(status, details, expected):
    deltas, error = decode(stream(says("a"), ended(status, incomplete_details=details)))

    assert error is None
    assert finish(deltas) == expected


def test_the_status_tells_more_than_the_name_of_the_last_event():
    cut = response("incomplete", incomplete_details={"reason": "max_output_tokens"})

    deltas, _ = decode(stream(says("a"), event("completed", response=cut)))

    assert finish(deltas).reason == "length"


def test_the_type_may_be_told_beside_the_data_only():
    body = (
        b'event: response.output_text.delta\ndata: {"delta": "a"}\n\nevent: response.completed\ndata: {"response":{}}'
    )

    deltas, error = decode(body)

    assert error is None
    assert deltas == [Text("a"), Finish("stop", "completed")]


def test_no_done_is_needed_and_one_does_no_harm():
    with_done, error = decode(stream(says("a"), "[DONE]", says("b"), ended()))

    assert error is None
    assert joined(with_done, Text) == "ab"


@pytest.mark.parametrize("body", [b"", b": keep-alive\n\n", stream(CREATED, says("a")), stream(says("a"), "[DONE]")])
def test_a_body_without_its_last_event_is_truncated(body):
    deltas, error = decode(body)

    assert isinstance(error, Truncated)
    assert only(deltas, Finish) == []


def test_a_body_cut_within_its_last_event_is_truncated_and_keeps_the_text():
    body = stream(says("Hel"), ended())

    deltas, error = decode(body[:-9])

    assert isinstance(error, Truncated)
    assert joined(deltas, Text) == "Hel"


def test_a_last_event_that_is_not_followed_by_a_blank_line_counts():
    deltas, error = decode(stream(says("a"), ended()).rstrip())

    assert error is None
    assert finish(deltas).reason == "stop"


def test_unknown_events_and_items_say_nothing():
    unknown = [
        {"type": "keepalive", "sequence_number": 7},
        event("web_search_call.searching", item_id="ws"),
        event("output_text.annotation.added", annotation={"type": "url_citation"}),
        item("added", 0, type="web_search_call", id="ws"),
        item("done", 0, type="web_search_call", id="ws", text="no"),
        event("never.heard.of", response="no"),
        event("output_item.done", item="no"),
    ]

    deltas, error = decode(stream(*unknown, says("a"), ended()))

    assert error is None
    assert deltas == [Text("a"), Served("m1", "r1"), Finish("stop", "completed")]


def test_a_refusal_is_text_and_a_filtered_ending():
    refusal = event("refusal.delta", delta="I cannot.")

    deltas, _ = decode(stream(refusal, ended()))

    assert joined(deltas, Text) == "I cannot."
    assert finish(deltas) == Finish("content_filter", "completed")


def test_messages_are_said_one_after_another():
    deltas, _ = decode(
        stream(says("One. "), item("done", 0, **message(output_text("One. "))), says("Two.", 1), ended())
    )

    assert joined(deltas, Text) == "One. Two."


def test_the_phase_of_a_message_is_kept_with_its_text():
    done = item("done", 0, **message(output_text("Let me see."), phase="commentary"))

    deltas, _ = decode(stream(says("Let me see."), done, ended()))

    assert deltas[:2] == [Text("Let me see."), State("text", {"phase": "commentary"})]


def test_the_phase_of_a_message_that_says_nothing_is_not_kept():
    deltas, _ = decode(stream(item("done", 0, **message(phase="commentary")), ended()))

    assert only(deltas, State) == []


def test_reasoning_that_comes_as_a_summary_and_in_full_is_shown_once():
    """Seeds: A-19."""
    deltas, _ = decode(stream(thinks("short"), thinks("long", "reasoning_text"), thinks(" one"), says("a"), ended()))

    assert joined(deltas, Reasoning) == "short one"


def test_reasoning_in_full_is_shown_where_there_is_no_summary():
    deltas, _ = decode(stream(thinks("all of it", "reasoning_text"), ended()))

    assert joined(deltas, Reasoning) == "all of it"


@pytest.mark.parametrize("kept", [{"encrypted_content": "opaque"}, {"content": [{"text": "all of it"}]}])
def test_reasoning_that_can_be_sent_back_is_kept_as_it_came(kept):
    reasoning = thoughts("hm", id="rs_1", **kept)

    deltas, _ = decode(stream(thinks("hm"), item("done", 0, **reasoning), says("a", 1), ended()))

    assert deltas[:3] == [Reasoning("hm"), State("reasoning", reasoning), Text("a")]


def test_reasoning_that_the_server_would_not_know_again_is_not_kept():
    deltas, _ = decode(stream(thinks("hm"), item("done", 0, **thoughts("hm", id="rs_1", content=[])), ended()))

    assert only(deltas, State) == []


def test_a_tool_call_is_put_together_from_its_pieces():
    events = [fragment('{"a"', output_index=0, item_id="i1"), fragment(": 1}", output_index=0, item_id="i1")]

    deltas, _ = decode(stream(item("added", 0, **call(1)), *events, item("done", 0, **call(1, '{"a": 1}')), ended()))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", {"a": 1}, '{"a": 1}')]
    assert finish(deltas) == Finish("tool_calls", "completed")


def test_a_tool_call_that_comes_whole_needs_no_pieces():
    deltas, _ = decode(stream(item("done", 0, **call(1, '{"a": 1}')), ended()))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", {"a": 1}, '{"a": 1}')]


@pytest.mark.parametrize("kind", ["output_text", "refusal"])
@pytest.mark.parametrize("closes", [True, False])
def test_text_that_comes_only_with_its_end_is_said_once(kind, closes):
    field = "text" if kind == "output_text" else "refusal"
    content = {"type": kind, field: "Hello"}
    told = event(f"{kind}.done", output_index=0, **{field: "Hello"})
    closed = [item("done", 0, **message(content))] if closes else []

    deltas, error = decode(stream(CREATED, told, *closed, ended(output=[message(content)])))

    assert error is None
    assert only(deltas, Text) == [Text("Hello")]


@pytest.mark.parametrize("kind", ["reasoning_summary_text", "reasoning_text"])
def test_thoughts_that_come_only_with_their_end_are_told_once(kind):
    told = event(f"{kind}.done", output_index=0, text="Hm")

    deltas, _ = decode(stream(CREATED, told, item("done", 0, **thoughts("Hm")), ended(output=[thoughts("Hm")])))

    assert only(deltas, Reasoning) == [Reasoning("Hm")]


def test_every_part_of_a_message_may_come_in_pieces_or_at_its_end():
    ends = [
        event("output_text.done", output_index=0, content_index=n, text=t) for n, t in enumerate(["ab", "cd", "ef"])
    ]

    deltas, _ = decode(stream(says("a"), says("b"), ends[0], ends[1], says("ef"), ends[2], ended()))

    assert joined(deltas, Text) == "abcdef"


def test_text_that_only_the_last_event_tells_is_said():
    begins = item("added", 0, **message())

    deltas, _ = decode(stream(CREATED, begins, ended(output=[message(output_text("Hello"))])))

    assert joined(deltas, Text) == "Hello"


FULL = '{"a":1}'


@pytest.mark.parametrize(
    "events",
    [
        [item("added", 0, **call(1)), event("function_call_arguments.done", output_index=0, arguments=FULL)],
        [item("added", 0, **call(1, FULL))],
        [item("added", 0, **call(1)), fragment("", output_index=0)],
        [item("added", 0, **call(1))],
        [
            item("added", 0, **call(1, FULL)),
            fragment(FULL[:3], output_index=0),
            fragment(FULL[3:], output_index=0),
            event("function_call_arguments.done", output_index=0, arguments=FULL),
            item("done", 0, **call(1, FULL)),
        ],
        [event("function_call_arguments.done", output_index=0, arguments=FULL), item("done", 0, **call(1, FULL))],
        [item("done", 0, **call(1))],
        [CREATED, says("Hm", 1)],
    ],
    ids=["done", "added", "nothing", "last", "everywhere", "done-first", "closed-empty", "only-last"],
)
def test_arguments_are_found_and_counted_once_wherever_they_come(events):
    deltas, error = decode(stream(*events, ended(output=[call(1, FULL)])))

    assert error is None
    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", {"a": 1}, FULL)]


def test_arguments_that_came_with_the_beginning_count_although_nothing_repeats_them():
    deltas, _ = decode(stream(item("added", 0, **call(1, FULL)), item("added", 0, **call(2, "{}")), ended()))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", {"a": 1}, FULL), ToolCall("c2", "f2", {}, "{}")]


def test_a_last_event_with_other_ids_makes_no_second_call():
    deltas, _ = decode(stream(item("done", 0, **call(1, FULL)), ended(output=[{**call(1, FULL), "call_id": "other"}])))

    assert [made.id for made in only(deltas, ToolCall)] == ["c1"]


def test_promised_arguments_past_all_measure_are_refused():
    _, error = decode(stream(*[item("added", number, **call(number, "x" * 1_000_000)) for number in range(5)]))

    assert isinstance(error, ProtocolError)


def test_parallel_calls_are_told_apart_by_index():
    events = [
        item("added", 0, **call(1)),
        item("added", 1, **call(2)),
        fragment('{"b"', output_index=1),
        fragment('{"a"', output_index=0),
        fragment(":2}", output_index=1),
        fragment(":1}", output_index=0),
    ]

    deltas, _ = decode(stream(*events, ended()))

    assert [(made.id, made.arguments) for made in only(deltas, ToolCall)] == [("c1", {"a": 1}), ("c2", {"b": 2})]


def test_parallel_calls_without_an_index_are_told_apart_by_their_items():
    events = [
        item("added", None, **call(1)),
        item("added", None, **call(2)),
        fragment("{}", item_id="i2"),
        item("done", None, **call(1, '{"a":1}')),
        item("done", None, **call(2, "{}")),
    ]

    deltas, _ = decode(stream(*events, ended()))

    assert [(made.id, made.raw) for made in only(deltas, ToolCall)] == [("c1", '{"a":1}'), ("c2", "{}")]


def test_an_index_that_is_left_out_later_does_not_make_a_second_call():
    events = [item("added", 3, **call(1)), fragment("{}", output_index=3), item("done", None, **call(1, "{}"))]

    deltas, _ = decode(stream(*events, ended()))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", {}, "{}")]


def test_calls_that_all_have_index_0_are_told_apart_by_their_ids():
    events = [
        each
        for number in (1, 2)
        for each in (
            item("added", 0, **call(number)),
            *([fragment('{"a":1}', output_index=0)] if number == 1 else []),
            item("done", 0, **call(number, f'{{"a":{number}}}')),
        )
    ]

    deltas, _ = decode(stream(*events, ended()))

    assert [made.arguments for made in only(deltas, ToolCall)] == [{"a": 1}, {"a": 2}]


def test_item_ids_that_change_with_every_event_do_not_matter_beside_an_index():
    events = [
        item("added", 0, **call(1)),
        fragment('{"a"', output_index=0, item_id="x"),
        fragment(":1}", output_index=0, item_id="y"),
        item("done", 0, **{**call(1, '{"a":1}'), "id": "z"}),
    ]

    deltas, _ = decode(stream(*events, ended()))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", {"a": 1}, '{"a":1}')]


def test_calls_and_the_reasoning_between_them_keep_their_order():
    first, second = thoughts("one", encrypted_content="e1"), thoughts("two", encrypted_content="e2")
    events = [
        item("done", 0, **first),
        item("done", 1, **call(1, "{}")),
        item("done", 2, **second),
        item("done", 3, **call(2, "{}")),
    ]

    deltas, _ = decode(stream(*events, ended()))

    assert only(deltas, State | ToolCall) == [
        State("reasoning", first),
        ToolCall("c1", "f1", {}, "{}"),
        State("reasoning", second),
        ToolCall("c2", "f2", {}, "{}"),
    ]


def test_a_call_without_an_id_gets_one():
    deltas, _ = decode(stream(item("done", 0, type="function_call", name="f"), ended()))

    (made,) = only(deltas, ToolCall)
    assert made.id.startswith("call_")


def test_unfinished_tool_calls_of_a_truncated_answer_are_not_run():
    deltas, error = decode(stream(item("added", 0, **call(1)), fragment('{"path": "/tmp', output_index=0)))

    assert isinstance(error, Truncated)
    assert only(deltas, ToolCall) == []


def test_a_tool_call_cut_by_the_length_limit_keeps_what_was_written():
    cut = ended("incomplete", incomplete_details={"reason": "max_output_tokens"})

    deltas, _ = decode(stream(item("added", 0, **call(1)), fragment('{"a": ', output_index=0), cut))

    assert only(deltas, ToolCall) == [ToolCall("c1", "f1", None, '{"a": ')]
    assert finish(deltas).reason == "length"


def test_tool_arguments_past_all_measure_are_refused():
    _, error = decode(stream(*[fragment("x" * 1_000_000, output_index=0)] * 5))

    assert isinstance(error, ProtocolError)


def test_an_error_is_one_error_although_it_is_told_twice():
    told = {"code": "rate_limit_exceeded", "message": "slow down"}
    body = stream(says("a"), {"type": "error", "error": told}, ended("failed", error={**told, "message": "again"}))

    deltas, error = decode(body)

    assert joined(deltas, Text) == "a"
    assert isinstance(error, RateLimited)
    assert str(error) == "slow down (rate_limit_exceeded)"
    assert only(deltas, Finish | Usage) == []


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"code": "rate_limit_exceeded", "message": "x"}, RateLimited),
        ({"code": "insufficient_quota", "message": "x"}, QuotaExceeded),
        ({"code": "context_length_exceeded", "message": "x"}, ContextTooLong),
        ({"code": "server_error", "message": "x"}, ServerError),
        ({"code": "server_is_overloaded", "message": "x"}, Overloaded),
        ({"code": "slow_down", "message": "x"}, Overloaded),
        ({"code": "invalid_prompt", "message": "x"}, BadRequest),
        (
            {"code": "invalid_prompt", "message": "x: flagged as potentially violating our usage policy"},
            ContentFiltered,
        ),
        ({"code": "invalid_image_url", "message": "x"}, BadRequest),
        ({"code": "image_too_large", "message": "x"}, BadRequest),
        ({"code": "image_content_policy_violation", "message": "x"}, ContentFiltered),
        ({"code": "never_heard_of", "message": "x"}, ServerError),
        ({"code": None, "message": "x"}, ServerError),
    ],
)
def test_an_error_has_its_kind_in_whatever_event_it_comes(told, kind):
    shapes = [
        {"type": "error", "error": told},
        {"type": "error", "param": None, "sequence_number": 3, **told},
        {"type": "response.error", **told},
        {"type": "response.failed", "error": told},
        {"error": told},
        ended("failed", error=told),
    ]

    errors = [decode(stream(says("a"), shape))[1] for shape in shapes]

    assert [type(error) for error in errors] == [kind] * 6
    assert {str(error) for error in errors} == {told["message"] + (f" ({told['code']})" if told["code"] else "")}
    assert {error.status for error in errors} == {200}


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached for m1. Please try again in 4s. Visit x", 4.0),
        ("Please try again in 1.5s", 1.5),
        ("Please try again in 250ms.", 0.25),
        ("Please try again in 1m12.5s.", 72.5),
        ("Please try again in 2h3m.", 7380.0),
        ("Please try again later", None),
        (f"Please try again in {'9' * 5000}h", None),
        ("Please try again in 1.2.3s", None),
    ],
)
def test_a_rate_limit_says_in_words_when_to_come_back(message, seconds):
    _, error = decode(stream(ended("failed", error={"code": "rate_limit_exceeded", "message": message})))

    assert error.retry_after == seconds


@pytest.mark.parametrize("failed", [ended("failed"), event("failed", response="no"), "event: error"])
def test_a_failure_without_a_reason_is_an_error_all_the_same(failed):
    body = b"event: error\ndata: x\n\n" if failed == "event: error" else stream(failed)

    _, error = decode(body)

    assert isinstance(error, ServerError)


@pytest.mark.parametrize("line", ["nonsense", "[]", "7", "null", '"text"', "{", "[" * 100_000])
def test_an_event_that_is_no_object_is_a_protocol_error_that_quotes_nothing(line):
    deltas, error = decode(stream(says("a"), line))

    assert isinstance(error, ProtocolError)
    assert "nonsense" not in str(error)
    assert joined(deltas, Text) == "a"


def test_a_last_event_that_repeats_a_long_answer_may_be_large():
    answer = "x" * (2 * MAX_EVENT_BYTES)

    deltas, error = decode(stream(says("x"), ended(output=[message(output_text(answer))])))

    assert error is None
    assert joined(deltas, Text) == "x"


def test_an_event_without_end_is_refused():
    _, error = decode(b"data: " + b"x" * (9 * MAX_EVENT_BYTES))

    assert isinstance(error, ProtocolError)


def test_nothing_after_the_ending_counts():
    decoder = ResponsesDecoder()
    first = decoder.feed(stream(says("a"), ended()))

    assert finish(first).reason == "stop"
    assert decoder.feed(stream(says("b"), {"type": "error", "message": "late"})) == []
    assert decoder.close() == []
    assert decoder.error is None


def test_an_item_begins_the_answer_though_it_shows_nothing_yet():
    decoder = ResponsesDecoder()
    decoder.feed(stream(CREATED, event("in_progress", response=response("in_progress"))))
    assert not decoder.begun

    decoder.feed(stream(item("added", 0, type="reasoning", summary=[])))

    assert decoder.begun


WHOLE = [
    thoughts("hm", encrypted_content="opaque"),
    message(output_text("Hello"), output_text(" you"), phase="commentary"),
    call(1, '{"a": 1}'),
]
SAID = [
    Served("m1", "r1"),
    Reasoning("hm"),
    State("reasoning", WHOLE[0]),
    Text("Hello"),
    Text(" you"),
    State("text", {"phase": "commentary"}),
    ToolCall("c1", "f1", {"a": 1}, '{"a": 1}'),
    Usage(3, 2),
    Finish("tool_calls", "completed"),
]


def test_a_whole_answer_says_everything_in_order():
    deltas, error = whole(response(output=WHOLE, usage={"input_tokens": 3, "output_tokens": 2}, error=None))

    assert error is None
    assert deltas == SAID


def test_a_stream_that_is_one_event_says_everything_in_order():
    deltas, error = decode(stream(ended(output=WHOLE, usage={"input_tokens": 3, "output_tokens": 2})))

    assert error is None
    assert deltas == SAID


def test_a_stream_of_whole_items_says_everything_once():
    items = [item("done", index, **each) for index, each in enumerate(WHOLE)]

    deltas, error = decode(stream(CREATED, *items, ended(output=WHOLE, usage={"input_tokens": 3, "output_tokens": 2})))

    assert error is None
    assert deltas == SAID


def test_a_whole_refusal_is_text_and_a_filtered_ending():
    deltas, _ = whole(response(output=[message({"type": "refusal", "refusal": "No."})]))

    assert deltas == [Served("m1", "r1"), Text("No."), Finish("content_filter", "completed")]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response("failed", error={"code": "server_error", "message": "x"}), ServerError),
        (response("failed", error=None), ServerError),
        ({"error": {"code": "rate_limit_exceeded", "message": "x"}}, RateLimited),
        (response("in_progress", output=[]), Truncated),
        (response("queued"), Truncated),
        ([], ProtocolError),
    ],
)
def test_a_whole_answer_that_is_none_is_an_error(answer, kind):
    deltas, error = whole(answer)

    assert isinstance(error, kind)
    assert only(deltas, Finish) == []


KINDS = [
    "error",
    "response.created",
    "response.output_text.delta",
    "response.reasoning_text.delta",
    "response.refusal.delta",
    "response.output_item.added",
    "response.output_item.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_text.done",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "function_call",
    "reasoning",
    "message",
]
FIELDS = [
    "type",
    "delta",
    "item",
    "output_index",
    "response",
    "output",
    "status",
    "error",
    "content",
    "summary",
    "text",
]
FIELDS += ["name", "arguments", "usage", "phase", "encrypted_content", "incomplete_details", "call_id", "item_id", "id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=20,
)
EVENTS = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(EVENTS | JSON, max_size=5))
def test_no_json_whatsoever_crashes_it(events):
    deltas, error = decode(stream(*events))

    assert (error is None) == bool(only(deltas, Finish))


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_no_whole_json_whatsoever_crashes_it(answer):
    deltas, error = whole(answer)

    assert (error is None) == bool(only(deltas, Finish))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_it(body):
    decode(stream(says("a")) + body)
