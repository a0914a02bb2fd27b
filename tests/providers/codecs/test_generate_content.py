"""The generateContent decoder, over recorded traffic and constructed traps."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converse_stream.events import Data, Delta, Finish, Reasoning, Served, State, Text, ToolCall, Usage
from converse_stream.exceptions import Overloaded, ProtocolError, RateLimited, Truncated
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.codecs.generate_content import GenerateContent, GenerateContentDecoder
from tests.providers.codecs import decoding
from tests.providers.codecs.decoding import finish, joined, only
from tests.providers.codecs.remembering import remembered
from tests.recordings import recordings

STREAMS = recordings(streams=True, provider="gemini", api="generate_content")
ANSWERS = [each for each in STREAMS if each.values[0] is None or not each.values[0].expected["error"]]
SIGNED = "c2lnbmVk"


def decode(*pieces: bytes) -> tuple[list[Delta], Any]:
    return decoding.decode(GenerateContentDecoder, *pieces)


def stream(*events: Any) -> bytes:
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"data: {line}\r\n\r\n" for line in lines).encode()


def chunk(*parts: Any, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    told = {"finishReason": finish} if finish else {}
    return {"candidates": [{**candidate, **told}], "modelVersion": "gemini", "responseId": "r1", **more}


def text(value: Any, **more: Any) -> dict[str, Any]:
    return {"text": value, **more}


def call(name: Any = "f", args: Any = None, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args or {}}, **more}


def sent(deltas: list[Delta], model: str = "gemini-3.8-flash") -> list[dict[str, Any]]:
    """Return the parts in which an answer is sent back to its model."""
    prompt = [PromptMessage("user", [text("hi") | {"type": "text"}]), PromptMessage("assistant", remembered(deltas))]
    return GenerateContent("").body(Prompt(prompt, model), stream=True)["contents"][1]["parts"]


# Recordings


def as_we_count(recording):
    """Return a recording that expects our count: thoughts are part of the output."""
    expected = {**recording.expected}
    expected["output_tokens"] = expected["output_tokens_incl_reasoning"]
    return replace(recording, sidecar={**recording.sidecar, "expected": expected})


def parts_of(recording):
    """Return what of a recording's parts has to be sent back: neighbouring texts without a signature as one."""
    events = [json.loads(line[6:]) for line in recording.body.splitlines() if line.startswith(b"data: ")]
    candidates = [candidate for event in events for candidate in event.get("candidates", ())]
    parts: list[dict[str, Any]] = []
    for part in [part for candidate in candidates for part in candidate.get("content", {}).get("parts", ())]:
        if "thoughtSignature" not in part and (part.get("thought") or part.get("text") == "" or "inlineData" in part):
            continue
        if parts and part.keys() == parts[-1].keys() == {"text"}:
            parts[-1] = {"text": parts[-1]["text"] + part["text"]}
        else:
            parts.append(part)
    return parts


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_says_what_its_sidecar_expects(recording):
    if recording.expected["error"]:
        decoding.assert_says(GenerateContentDecoder, recording)
    else:
        decoding.assert_says(GenerateContentDecoder, as_we_count(recording))


@pytest.mark.parametrize("recording", STREAMS)
def test_a_recording_is_the_same_however_it_was_cut(recording):
    """Seeds: T-01."""
    decoding.assert_same_however_cut(GenerateContentDecoder, recording)


@pytest.mark.parametrize("recording", [each for each in ANSWERS if not each.values[0] or parts_of(each.values[0])])
def test_a_recorded_answer_is_sent_back_as_it_came(recording):
    deltas, _ = decode(recording.body)

    assert sent(deltas) == parts_of(recording)


# What an answer is made of


def test_a_plain_answer_is_served_said_counted_and_finished_in_this_order():
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "cachedContentTokenCount": 1, "thoughtsTokenCount": 4}

    deltas, error = decode(stream(chunk(text("Hel")), chunk(text("lo"), finish="STOP", usageMetadata=usage)))

    assert error is None
    assert deltas == [Served("gemini", "r1"), Text("Hel"), Text("lo"), Usage(3, 6, 1, 4), Finish("stop", "STOP")]


def test_thoughts_are_reasoning():
    deltas, _ = decode(stream(chunk(text("Hm", thought=True), text("Yes"), finish="STOP")))

    assert only(deltas, Reasoning | Text) == [Reasoning("Hm"), Text("Yes")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("IMAGE_PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("LANGUAGE", "error"),
        ("OTHER", "error"),
        ("A_REASON_OF_TOMORROW", "stop"),
    ],
)
def test_every_finish_reason_is_told_truly(raw, reason):
    assert finish(decode(stream(chunk(text("a"), finish=raw)))[0]) == Finish(reason, raw)


def test_the_last_reason_counts_and_text_after_one_is_text():
    deltas, _ = decode(stream(chunk(text("a"), finish="STOP"), chunk(text("b"), finish="MAX_TOKENS")))

    assert joined(deltas, Text) == "ab"
    assert finish(deltas) == Finish("length", "MAX_TOKENS")


def test_a_blocked_prompt_is_a_filtered_answer():
    deltas, error = decode(stream({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}).removesuffix(b"\r\n"))

    assert error is None
    assert deltas == [Finish("content_filter", "promptFeedback:PROHIBITED_CONTENT")]


def test_usage_that_nobody_reports_is_unknown_and_not_zero():
    assert only(decode(stream(chunk(text("a"), finish="STOP")))[0], Usage) == []
    only_prompt = chunk(text("a"), finish="STOP", usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": None})
    assert only(decode(stream(only_prompt))[0], Usage) == [Usage(5)]


def test_a_call_is_given_as_it_arrives_and_in_its_place():
    decoder = GenerateContentDecoder()

    deltas = decoder.feed(stream(chunk(call("f", {"city": "Köln"}), text("then"))))

    found, text_after = only(deltas, ToolCall | Text)
    assert (found.name, found.arguments, found.raw) == ("f", {"city": "Köln"}, '{"city": "Köln"}')
    assert text_after == Text("then")


def test_ids_are_kept_or_made_and_never_the_same():
    parts = [{"functionCall": {"name": "f", "id": "own"}}, call(), call(), {"functionCall": {"args": {}}}]

    deltas, _ = decode(stream(chunk(*parts, finish="STOP")))

    own, second, third = only(deltas, ToolCall)
    assert (own.id, own.arguments) == ("own", {})
    assert second.id.startswith("call_")
    assert second.id != third.id
    assert finish(deltas) == Finish("tool_calls", "STOP")


def test_arguments_nested_without_measure_are_not_taken_for_arguments():
    deep = json.dumps(chunk(call("f", "X"), finish="STOP")).replace('"X"', '{"a":' * 300 + "1" + "}" * 300)

    deltas, _ = decode(stream(deep))

    assert [called.arguments for called in only(deltas, ToolCall)] == [None]


def test_only_candidate_0_counts():
    deltas, _ = decode(stream(chunk(text("b"), index=1, finish="SAFETY"), chunk(text("a"), finish="STOP")))

    assert joined(deltas, Text) == "a"
    assert finish(deltas) == Finish("stop", "STOP")


def test_sources_are_told_once_and_at_the_end():
    web = {"web": {"uri": "https://a", "title": "A"}}
    grounded = chunk(text("x"))
    grounded["candidates"][0]["groundingMetadata"] = {"groundingChunks": [web, {"maps": {"uri": "https://b"}}, 7, {}]}
    recited = chunk(text("y"), finish="STOP")
    recited["candidates"][0]["groundingMetadata"] = {"groundingChunks": [web]}
    recited["candidates"][0]["citationMetadata"] = {"citationSources": [{"uri": "https://c"}, {"license": "mit"}]}

    deltas, _ = decode(stream(grounded, recited))

    assert only(deltas, Text | Data) == [
        Text("x"),
        Text("y"),
        Data("citation", {"url": "https://a", "title": "A"}),
        Data("citation", {"url": "https://b"}),
        Data("citation", {"url": "https://c"}),
    ]


def test_code_that_the_server_runs_is_no_call():
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    output = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}

    deltas, _ = decode(stream(chunk(text("So "), code, output, text("1"), finish="STOP")))

    assert only(deltas, ToolCall) == []
    assert joined(deltas, Text) == "So 1"
    assert sent(deltas) == [text("So "), code, output, text("1")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"candidates": None},
        {
            "candidates": [
                None,
                7,
                {"content": None},
                {"content": {"parts": None}},
                {"content": {"parts": [None, 7, {}]}},
            ]
        },
        {"candidates": [{"finishReason": None, "groundingMetadata": 7, "citationMetadata": []}]},
        {"usageMetadata": [], "promptFeedback": {"safetyRatings": []}},
        {"event_of_tomorrow": {"text": "no"}},
        chunk({"inlineData": {"mimeType": "image/png", "data": "eA=="}}),
        chunk(text(None), text(7), text(""), {"functionCall": None}, {"functionCall": {"name": 7}}),
    ],
)
def test_what_nobody_knows_is_ignored(event):
    deltas, error = decode(stream(chunk(text("a")), event, chunk(finish="STOP")))

    assert error is None
    assert only(deltas, Text | State | ToolCall) == [Text("a")]


@pytest.mark.parametrize(
    ("part", "begun"),
    [(text(""), False), ({}, False), (text("a"), True), (text("a", thought=True), True), (call(), True)],
)
def test_what_begins_an_answer(part, begun):
    decoder = GenerateContentDecoder()

    decoder.feed(stream(chunk(part)))

    assert decoder.begun is begun


# Errors


def test_an_error_event_ends_the_answer_after_what_was_said():
    body = stream(chunk(text("a")), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})

    deltas, error = decode(body)

    assert joined(deltas, Text) == "a"
    assert isinstance(error, Overloaded)
    assert only(deltas, Finish | Usage) == []


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_error_as_bare_json_in_the_middle_of_the_stream_is_an_error(newline, listed):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}]
    error = {"error": {"code": 429, "message": "no more", "status": "RESOURCE_EXHAUSTED", "details": details}}
    bare = json.dumps([error] if listed else error, indent=2).replace("\n", newline).encode()

    deltas, found = decode(stream(chunk(text("a"))) + bare)

    assert joined(deltas, Text) == "a"
    assert isinstance(found, RateLimited)
    assert found.retry_after == 48
    assert str(found) == "no more (RESOURCE_EXHAUSTED)"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        stream(chunk(text("a"))),
        stream({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
        stream(chunk(text("a"), finish="STOP")) + b'data: {"candidates": [{"content": {"par',
    ],
)
def test_a_body_that_ends_before_the_answer_does_is_truncated(body):
    deltas, error = decode(body)

    assert isinstance(error, Truncated)
    assert only(deltas, Finish) == []


def test_the_first_servers_finished_without_a_reason_but_not_within_an_event():
    rated = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "safetyRatings": []}]}

    assert finish(decode(stream(rated))[0]) == Finish("stop", "")
    assert isinstance(decode(stream(rated) + b'data: {"cand')[1], Truncated)
    assert isinstance(decode(stream({**rated, "modelVersion": "gemini"}))[1], Truncated)


@pytest.mark.parametrize("line", ["nonsense", "[]", "7", "null", "{", "[" * 100_000])
def test_an_event_that_is_no_object_is_a_protocol_error_that_quotes_nothing(line):
    deltas, error = decode(stream(chunk(text("a")), line))

    assert isinstance(error, ProtocolError)
    assert "nonsense" not in str(error)
    assert joined(deltas, Text) == "a"


# What has to be sent back


@pytest.mark.parametrize(
    "parts",
    [
        [call("f", {"a": 1}, thoughtSignature=SIGNED), call("g")],
        [{"functionCall": {"name": "f", "args": {}, "id": "x1"}, "thoughtSignature": SIGNED}],
        [text("a"), text("", thoughtSignature=SIGNED)],
        [text("a"), text("b", thoughtSignature=SIGNED)],
        [text("a", thoughtSignature=SIGNED), text("b")],
        [text("", thoughtSignature=SIGNED), text("a")],
        [text("Hm", thought=True, thoughtSignature=SIGNED), text("a")],
        [text("a"), text("", thoughtSignature="x"), text("b"), text("", thoughtSignature="y"), text("c")],
        [text("a"), call("f", thoughtSignature=SIGNED), text("b", thoughtSignature="x")],
        [{"executableCode": {"code": "1"}, "thoughtSignature": SIGNED}, {"codeExecutionResult": {}}, text("a")],
        [text("a"), {"executableCode": {"code": "1"}}, text("", thoughtSignature=SIGNED)],
    ],
    ids=str,
)
def test_parts_with_signatures_come_back_as_and_where_they_came(parts):
    deltas, error = decode(stream(*(chunk(part) for part in parts), chunk(finish="STOP")))

    assert error is None
    assert sent(deltas) == parts


def test_a_signature_stays_with_its_words_after_a_character_that_came_in_two_halves():
    signed = text("SIGNED", thoughtSignature=SIGNED)
    parts = [text("A\ud83d"), text("\ude00B"), signed, text("tail")]

    deltas, _ = decode(stream(*(chunk(part) for part in parts), chunk(finish="STOP")))

    assert sent(deltas) == [text("A\U0001f600B"), signed, text("tail")]


def test_signed_words_that_hold_half_a_character_show_as_much_as_is_stored_of_them():
    parts = [text("A"), text("S\ud83d", thoughtSignature=SIGNED), text("\ude00B")]

    deltas, _ = decode(stream(*(chunk(part) for part in parts), chunk(finish="STOP")))

    assert sent(deltas)[2:] == [text("\U0001f600B")]


def test_a_signature_follows_what_it_belongs_to():
    signed = call("f", {"a": 1}, thoughtSignature=SIGNED)

    deltas, _ = decode(stream(chunk(signed, finish="STOP")))

    called, state = only(deltas, ToolCall | State)
    assert (called.name, state.kind, state.data["blob"]) == ("f", "tool_call", signed)


def test_an_image_is_neither_text_nor_sent_back():
    deltas, _ = decode(stream(chunk(text("Here:"), {"inlineData": {"data": "eA=="}}, finish="STOP")))

    assert joined(deltas, Text) == "Here:"
    assert only(deltas, State) == []


# Answers that are not streamed


def whole(payload: Any) -> tuple[list[Delta], Any]:
    decoder = GenerateContentDecoder()
    return decoder.whole(payload if isinstance(payload, bytes) else json.dumps(payload).encode()), decoder.error


def test_a_whole_answer_says_the_same_as_a_streamed_one():
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2}
    payload = chunk(text("Hm", thought=True), text("Yes"), call(), finish="STOP", usageMetadata=usage)

    assert whole(payload) == decode(stream(payload))
    assert finish(whole(payload)[0]) == Finish("tool_calls", "STOP")


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"error": {"code": 503, "message": "x"}}, Overloaded),
        ([{"error": {"code": 503, "message": "x"}}], Overloaded),
        (chunk(text("half")), Truncated),
        ([], ProtocolError),
        (b"hello", ProtocolError),
    ],
)
def test_a_whole_answer_that_is_none_is_an_error(payload, error):
    assert isinstance(whole(payload)[1], error)


# Anything at all

KEYS = ["candidates", "content", "parts", "text", "thought", "functionCall", "name", "args", "id", "finishReason"]
KEYS += ["usageMetadata", "promptFeedback", "blockReason", "thoughtSignature", "groundingMetadata", "groundingChunks"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
PARTS = st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON | PARTS.map(lambda parts: chunk(*parts)), max_size=5))
def test_no_json_whatsoever_crashes_it(events):
    deltas, error = decode(stream(chunk(text("a")), *events))

    assert (error is None) == bool(only(deltas, Finish))
    assert sent(deltas)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_whatsoever_crash_it(body):
    decode(stream(chunk(text("a"))) + body)
