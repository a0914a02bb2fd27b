"""The Messages decoder, over recorded traffic and constructed traps."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.events import Data, Delta, Finish, Reasoning, Served, State, Text, ToolCall, Usage
from converse_stream.exceptions import BadRequest, Overloaded, ProtocolError, RateLimited, Truncated
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs import blocks
from converse_stream.providers.codecs.messages import Messages, MessagesDecoder
from tests.providers.codecs import decoding
from tests.providers.codecs.decoding import finish, joined, only
from tests.providers.codecs.remembering import remembered
from tests.recordings import recordings

STREAMS = recordings(streams=True, provider="anthropic", api="messages")
START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 3}}}
STOP = {"type": "message_stop"}


def decode(*pieces: bytes) -> tuple[list[Delta], Any]:
    return decoding.decode(MessagesDecoder, *pieces)


def stream(*events: Any, stop: bool = True) -> bytes:
    told = [*events, *([STOP] if stop else [])]
    lines = [event if isinstance(event, str) else json.dumps(event) for event in told]
    return "".join(f"event: x\ndata: {line}   \n\n" for line in lines).encode()


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def end(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def says(text: str, index: int = 0) -> list[dict[str, Any]]:
    return [begin(index, type="text", text=""), more(index, "text_delta", text=text), end(index)]


def calls(index: int, *fragments: str, id: str = "toolu_1", name: str = "f") -> list[dict[str, Any]]:
    pieces = [more(index, "input_json_delta", partial_json=fragment) for fragment in fragments]
    return [begin(index, type="tool_use", id=id, name=name, input={}), *pieces, end(index)]


def ends(reason: Any, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def sent(deltas: list[Delta]) -> list[dict[str, Any]]:
    """Return the blocks in which an answer is sent back to its model."""
    prompt = [PromptMessage("user", [{"type": "text", "text": "hi"}]), PromptMessage("assistant", remembered(deltas))]
    return Messages("").body(Prompt(prompt, "claude"), stream=True)["messages"][1]["content"]


# Recordings


def as_we_count(recording):
    """Return a recording that expects our count: the whole prompt, with what was read from the cache."""
    expected = {**recording.expected}
    expected["input_tokens"] += expected["cached_tokens"] or 0
    del expected["reasoning_tokens"]
    return replace(recording, sidecar={**recording.sidecar, "expected": expected})


def blocks_of(recording):
    """Return the blocks of a recording, read in another way than the decoder's."""
    events = [json.loads(line[6:]) for line in recording.body.splitlines() if line.startswith(b"data: ")]
    found = {event["index"]: event["content_block"] for event in events if event["type"] == "content_block_start"}
    deltas = [(found[event["index"]], event["delta"]) for event in events if event["type"] == "content_block_delta"]
    for block, delta in deltas:
        for name in ("text", "thinking", "signature", "content", "partial_json"):
            if name in delta:
                block[name] = (block.get(name) or "") + delta[name]
        if "citation" in delta:
            block["citations"].append(delta["citation"])
    for block in found.values():
        if pieces := block.pop("partial_json", ""):
            block["input"] = json.loads(pieces)
        block.pop("caller", None)  # tells that it was the model
    return list(found.values())


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_says_what_its_sidecar_expects(recording):
    decoding.assert_says(MessagesDecoder, as_we_count(recording))


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_is_the_same_however_it_was_cut(recording):
    """Seeds: T-01."""
    decoding.assert_same_however_cut(MessagesDecoder, recording)


@pytest.mark.parametrize(
    "name",
    [
        "code-execution-server-tool",
        "emoji-cache-and-compaction-usage",
        "fallback-block",
        "plain-short",
        "thinking-redacted",
        "thinking-small",
        "tool-no-arguments",
        "tools-parallel-no-text",
        "web-search-server-tool",
    ],
)
def test_a_recorded_answer_is_sent_back_as_it_came(name):
    (recording,) = [each.values[0] for each in STREAMS if each.id in (f"anthropic/{name}", None)]
    if recording is None:
        pytest.skip("no recordings")
    deltas, _ = decode(recording.body)

    back = [{key: value for key, value in block.items() if key != "caller"} for block in sent(deltas)]
    assert back == blocks_of(recording)


def test_a_recorded_search_cites_its_pages():
    recording = next(each.values[0] for each in STREAMS if each.id in ("anthropic/web-search-server-tool", None))
    if recording is None:
        pytest.skip("no recordings")
    deltas, _ = decode(recording.body)

    first, second = only(deltas, Data)
    assert first.name == "citation"
    assert first.value["url"] == "https://www.ruby-lang.org/en/downloads/"
    assert set(second.value) == {"url", "title", "text"}


# What an answer is made of


def test_a_plain_answer_is_served_said_counted_and_finished_in_this_order():
    body = stream(START, *says("Hello"), {"type": "ping"}, ends("end_turn", output_tokens=2))

    deltas, error = decode(body)

    assert error is None
    assert deltas == [Served("claude", "msg_1"), Text("Hello"), Usage(3, 2), Finish("stop", "end_turn")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_reason_of_tomorrow", "stop"),
        (None, "stop"),
    ],
)
def test_every_finish_reason_is_told_truly(raw, reason):
    """Seeds: P-08."""
    deltas, _ = decode(stream(START, ends(raw)))

    assert finish(deltas) == Finish(reason, raw or "")


def test_the_whole_prompt_counts_with_what_was_read_from_and_written_to_the_cache():
    usage = {"input_tokens": 3, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    start = {"type": "message_start", "message": {"usage": {**usage, "output_tokens": 1}}}
    last = ends("end_turn", output_tokens=50, output_tokens_details={"thinking_tokens": 30})

    deltas, _ = decode(stream(start, last))

    assert only(deltas, Usage) == [Usage(123, 50, 100, 30)]


def test_of_the_same_figure_the_later_counts():
    deltas, _ = decode(stream(START, ends("end_turn", input_tokens=9, output_tokens=4), ends(None, output_tokens=5)))

    assert only(deltas, Usage) == [Usage(9, 5)]


def test_usage_that_nobody_reports_is_unknown_and_not_zero():
    assert only(decode(stream(*says("a")))[0], Usage) == []
    assert only(decode(stream(ends("end_turn", output_tokens=5)))[0], Usage) == [Usage(None, 5)]
    assert only(decode(stream(ends("end_turn", output_tokens="5", input_tokens=-1)))[0], Usage) == []


def test_a_call_is_given_as_soon_as_its_block_ends_and_in_its_place():
    decoder = MessagesDecoder()

    first = decoder.feed(stream(*calls(0, '{"a"', ": 1}"), *says("then", 1), stop=False))

    assert first == [ToolCall("toolu_1", "f", {"a": 1}, '{"a": 1}'), Text("then")]


def test_parallel_blocks_are_told_apart_by_index():
    a, b = calls(1, '{"x":1}', id="a"), calls(2, '{"x":2}', id="b")
    mixed = [event for pair in zip(a, b, strict=True) for event in pair]

    deltas, _ = decode(stream(*mixed, ends("tool_use")))

    assert only(deltas, ToolCall) == [ToolCall("a", "f", {"x": 1}, '{"x":1}'), ToolCall("b", "f", {"x": 2}, '{"x":2}')]


@pytest.mark.parametrize(
    ("fragments", "arguments"), [((), {}), (("",), {}), (("{}",), {}), (('{"a', '":null}'), {"a": None})]
)
def test_arguments_may_come_in_any_pieces_or_not_at_all(fragments, arguments):
    (call,) = only(decode(stream(*calls(0, *fragments)))[0], ToolCall)

    assert call.arguments == arguments


def test_arguments_may_be_in_the_beginning_of_the_block():
    block = begin(0, type="tool_use", id="t", name="f", input={"city": "Köln"})

    (call,) = only(decode(stream(block, end(0)))[0], ToolCall)

    assert call == ToolCall("t", "f", {"city": "Köln"}, '{"city": "Köln"}')


def test_a_finished_call_with_a_stop_is_a_tool_call():
    assert finish(decode(stream(*calls(0), ends("end_turn")))[0]) == Finish("tool_calls", "end_turn")


def test_a_call_cut_by_the_length_limit_keeps_what_was_written():
    deltas, _ = decode(stream(*calls(0, '{"a": ')[:-1], ends("max_tokens")))

    assert only(deltas, ToolCall) == [ToolCall("toolu_1", "f", None, '{"a": ')]
    assert finish(deltas).reason == "length"


def test_a_call_without_id_gets_one_and_one_without_name_is_none():
    deltas, _ = decode(stream(START, *calls(0, id=""), *calls(1, id="", name="g"), *calls(2, name="")))

    first, second = only(deltas, ToolCall)
    assert first.id.startswith("call_")
    assert first.id != second.id


def test_the_servers_own_tools_are_no_calls():
    search = begin(0, type="server_tool_use", id="srv_1", name="web_search", input={})
    found = begin(1, type="web_search_tool_result", tool_use_id="srv_1", content=[{"url": "https://x"}])

    deltas, _ = decode(
        stream(search, more(0, "input_json_delta", partial_json='{"query": "x"}'), end(0), found, end(1))
    )

    assert only(deltas, ToolCall | Text) == []
    assert finish(deltas).reason == "stop"


def test_a_block_that_begins_again_has_ended():
    deltas, _ = decode(stream(*calls(0, "{}")[:-1], *says("a")))

    assert [type(delta) for delta in deltas[:2]] == [ToolCall, Text]


def test_a_delta_whose_block_was_not_announced_is_text_all_the_same():
    deltas, _ = decode(stream(more(0, "text_delta", text="a"), more(1, "thinking_delta", thinking="b")))

    assert (joined(deltas, Text), joined(deltas, Reasoning)) == ("a", "b")


def test_another_model_that_goes_on_is_told():
    fallback = begin(0, type="fallback", to={"model": "claude-old"})

    deltas, _ = decode(stream(START, fallback, end(0), *says("a", 1)))

    assert only(deltas, Served) == [Served("claude", "msg_1"), Served("claude-old", "msg_1")]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ping"},
        {"type": "event_of_tomorrow", "text": "no"},
        {},
        {"type": 7},
        begin(5, type="block_of_tomorrow", text="no"),
        more(5, "delta_of_tomorrow", text="no"),
        more(0, "delta_of_tomorrow", text="no"),
        {"type": "content_block_start"},
        {"type": "content_block_start", "index": [], "content_block": []},
        {"type": "content_block_delta", "index": {}, "delta": None},
        {"type": "message_delta", "delta": [], "usage": []},
        {"type": "message_start", "message": "x"},
    ],
)
def test_what_nobody_knows_is_ignored(event):
    deltas, error = decode(stream(more(9, "text_delta", text="a"), event, ends("end_turn")))

    assert error is None
    assert joined(deltas, Text) == "a"


def test_what_begins_an_answer():
    decoder = MessagesDecoder()
    decoder.feed(stream(START, {"type": "ping"}, stop=False))
    assert not decoder.begun

    decoder.feed(stream(begin(0, type="thinking", thinking="", signature=""), stop=False))
    assert decoder.begun


# Errors


@pytest.mark.parametrize(
    ("kind", "error"),
    [("overloaded_error", Overloaded), ("rate_limit_error", RateLimited), ("invalid_request_error", BadRequest)],
)
def test_an_error_event_ends_the_answer_after_what_was_said(kind, error):
    event = {"type": "error", "error": {"type": kind, "message": "no more"}}

    deltas, found = decode(stream(START, *says("a"), event, *says("b")))

    assert joined(deltas, Text) == "a"
    assert type(found) is error
    assert str(found) == f"no more ({kind})"
    assert only(deltas, Finish | Usage) == []


@pytest.mark.parametrize("body", [b"", b": ping\n\n", stream(START, *says("a"), ends("end_turn"), stop=False)])
def test_a_body_without_its_last_event_is_truncated(body):
    deltas, error = decode(body)

    assert isinstance(error, Truncated)
    assert only(deltas, Finish) == []


def test_a_call_that_was_not_finished_is_not_given():
    deltas, error = decode(stream(*calls(0, '{"path": "/tmp')[:-1], stop=False))

    assert isinstance(error, Truncated)
    assert only(deltas, ToolCall) == []


@pytest.mark.parametrize("line", ["nonsense", "[]", "7", "null", "{", "[" * 100_000])
def test_an_event_that_is_no_object_is_a_protocol_error_that_quotes_nothing(line):
    deltas, error = decode(stream(*says("a"), line))

    assert isinstance(error, ProtocolError)
    assert "nonsense" not in str(error)
    assert joined(deltas, Text) == "a"


def test_a_last_event_that_is_not_terminated_counts():
    deltas, error = decode(stream(*says("a")).rstrip())

    assert error is None
    assert finish(deltas) == Finish("stop", "")


def test_nothing_after_the_ending_counts():
    decoder = MessagesDecoder()
    decoder.feed(stream(*says("a")))

    assert decoder.feed(stream(*says("b"))) == []
    assert (decoder.close(), decoder.error) == ([], None)


# What has to be sent back


def thinks(index: int, thinking: str, signature: str) -> list[dict[str, Any]]:
    return [
        begin(index, type="thinking", thinking="", signature=""),
        *([more(index, "thinking_delta", thinking=thinking)] if thinking else []),
        more(index, "signature_delta", signature=signature),
        end(index),
    ]


def test_thinking_is_followed_by_the_whole_block_as_state():
    deltas, _ = decode(stream(*thinks(0, "Hm", "s1"), *says("Yes", 1)))

    reasoning, state, text, _ = deltas
    assert (reasoning, text) == (Reasoning("Hm"), Text("Yes"))
    assert isinstance(state, State)
    assert (state.kind, state.data["blob"]) == ("reasoning", {"type": "thinking", "thinking": "Hm", "signature": "s1"})


@pytest.mark.parametrize(
    "answer",
    [
        [("thinking", "A"), ("tool", 1)],
        [("thinking", "A"), ("thinking", "B"), ("text", "x")],
        [("thinking", ""), ("text", "x")],
        [("redacted", 1), ("thinking", "A"), ("redacted", 2), ("text", "x")],
        [("thinking", "A"), ("text", "x"), ("thinking", "B"), ("tool", 1)],
        [("thinking", "A"), ("text", "x"), ("thinking", ""), ("text", "y")],
        [("server", 1), ("text", "x"), ("server", 2), ("text", "y"), ("server", 3)],
        [("thinking", "A"), ("server", 1), ("thinking", "B"), ("text", "x")],
        [("thinking", ""), ("server", 1), ("thinking", ""), ("text", "x")],
        [("server", 1), ("thinking", "A"), ("server", 2), ("text", "x"), ("thinking", ""), ("tool", 1), ("tool", 2)],
        [("text", "x"), ("tool", 1), ("server", 1), ("text", "y")],
    ],
    ids=lambda answer: "-".join(f"{kind}{what}" for kind, what in answer),
)
def test_blocks_come_back_in_the_order_in_which_they_came(answer):
    made: list[dict[str, Any]] = []
    for kind, what in answer:
        match kind:
            case "thinking":
                made.append({"type": "thinking", "thinking": what, "signature": f"s{len(made)}"})
            case "redacted":
                made.append({"type": "redacted_thinking", "data": f"d{what}"})
            case "text":
                made.append({"type": "text", "text": what})
            case "tool":
                made.append({"type": "tool_use", "id": f"t{what}", "name": "f", "input": {"n": what}})
            case "server":
                made.append({"type": "server_tool_use", "id": f"v{what}", "name": "web_search", "input": {"q": what}})
                made.append({"type": "web_search_tool_result", "tool_use_id": f"v{what}", "content": []})
    events = [event for index, block in enumerate(made) for event in (begin(index, **block), end(index))]

    deltas, error = decode(stream(*events))

    assert error is None
    assert sent(deltas) == made


def test_a_cited_text_keeps_its_place_after_a_character_that_came_in_two_halves():
    halves = [more(0, "text_delta", text=half) for half in ("A\ud83d", "\ude00B")]
    citation = {"type": "web_search_result_location", "url": "https://x", "encrypted_index": "e"}
    cited = [
        begin(1, type="text", text="", citations=[]),
        more(1, "citations_delta", citation=citation),
        more(1, "text_delta", text="a fact"),
        end(1),
    ]

    deltas, _ = decode(stream(begin(0, type="text", text=""), *halves, end(0), *cited, *says("tail", 2)))

    assert [block["text"] for block in sent(deltas)] == ["A\U0001f600B", "a fact", "tail"]


def test_a_cited_text_is_sent_back_with_its_citations_where_they_are_wanted_back():
    citation = {"type": "web_search_result_location", "url": "https://x", "encrypted_index": "e"}
    cited = [
        begin(1, type="text", text="", citations=[]),
        more(1, "citations_delta", citation=citation),
        more(1, "text_delta", text="a fact"),
        end(1),
    ]

    deltas, _ = decode(stream(*says("So: "), *cited, *says(".", 2)))

    assert joined(deltas, Text) == "So: a fact."
    assert only(deltas, Data) == [Data("citation", {"url": "https://x"})]
    assert sent(deltas) == [
        {"type": "text", "text": "So: "},
        {"type": "text", "text": "a fact", "citations": [citation]},
        {"type": "text", "text": "."},
    ]


def test_a_block_with_parts_that_nobody_knows_is_not_sent_back_in_half():
    deltas, _ = decode(stream(begin(0, type="strange"), more(0, "strange_delta", x=1), end(0), *says("a", 1)))

    assert sent(deltas) == [{"type": "text", "text": "a"}]


def test_a_block_nested_without_measure_is_not_kept():
    deep = "[" * 500 + "]" * 500

    deltas, error = decode(stream(json.dumps(begin(0, type="strange", content="X")).replace('"X"', deep), end(0)))

    assert error is None
    assert only(deltas, State) == []


# Limits


def test_tool_arguments_past_all_measure_are_refused():
    pieces = [more(0, "input_json_delta", partial_json="x" * 1_000_000)] * 5

    _, error = decode(stream(begin(0, type="tool_use", id="t", name="f"), *pieces))

    assert isinstance(error, ProtocolError)


def test_thinking_past_all_measure_is_shown_but_not_kept():
    pieces = [more(0, "thinking_delta", thinking="x" * 1_000_000)] * 5
    decoder = MessagesDecoder()

    deltas = decoder.feed(stream(begin(0, type="thinking"), *pieces, stop=False))

    assert len(joined(deltas, Reasoning)) == 5_000_000
    assert decoder._blocks.at(0).fragments == {}
    assert only(decoder.feed(stream(end(0), *says("a", 1))), State | Finish) == [Finish("stop", "")]


def test_blocks_that_never_end_are_refused():
    body = stream(*[begin(index, type="text") for index in range(blocks.MAX_OPEN + 1)])

    assert isinstance(decode(body)[1], ProtocolError)


# Answers that are not streamed


def whole(payload: Any) -> tuple[list[Delta], Any]:
    decoder = MessagesDecoder()
    return decoder.whole(payload if isinstance(payload, bytes) else json.dumps(payload).encode()), decoder.error


def test_a_whole_answer_says_the_same_as_a_streamed_one():
    content = [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ]
    answer = {"type": "message", "id": "msg_1", "model": "claude", "content": content, "stop_reason": "tool_use"}

    deltas, error = whole({**answer, "usage": {"input_tokens": 3, "output_tokens": 9}})
    streamed, _ = decode(
        stream(
            START,
            *thinks(0, "Hm", "s"),
            *says("Let me look.", 1),
            *calls(2, '{"a": 1}', id="t"),
            ends("tool_use", output_tokens=9),
        )
    )

    assert error is None
    assert deltas == streamed
    assert sent(deltas) == content


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, Overloaded),
        ({"type": "message", "content": [{"type": "text", "text": "half"}]}, Truncated),
        ([], ProtocolError),
        (b"hello", ProtocolError),
    ],
)
def test_a_whole_answer_that_is_none_is_an_error(payload, error):
    assert isinstance(whole(payload)[1], error)


# Anything at all

KEYS = ["type", "index", "delta", "content_block", "message", "usage", "citations", "citation", "text", "input", "name"]
KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
BLOCKS = ["text", "thinking", "tool_use", "fallback", "text_delta", "thinking_delta", "citations_delta"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([*KINDS, *BLOCKS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
EVENT = st.builds(
    lambda kind, rest: {**rest, "type": kind}, st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), JSON)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON | EVENT, max_size=6))
def test_no_json_whatsoever_crashes_it(events):
    deltas, error = decode(stream(*says("a", 99), *events))

    assert (error is None) == bool(only(deltas, Finish))
    assert sent(deltas)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_it(body):
    decode(stream(*says("a"), stop=False) + body)
