"""Tool calls in fragments: they are bounded, and what nobody can read is no JSON."""

import json
import time

import pytest

from converse_stream.exceptions import ProtocolError
from converse_stream.providers.codecs.tool_calls import MAX_CHARS, ToolCalls, parse_arguments
from converse_stream.providers.codecs.values import MAX_DEPTH


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "fragment",
    [
        {"key": 0, "arguments": "x" * 1000},
        {"id": "i" * 1000},
        {"name": "n" * 1000},
        {},
    ],
    ids=["arguments", "ids", "names", "empty"],
)
def test_calls_without_end_are_refused(fragment):
    calls = ToolCalls()

    with pytest.raises(ProtocolError, match="longer than"):
        for number in range(MAX_CHARS):
            calls.add(**{"key": number, **fragment})


def test_what_a_server_repeats_in_each_fragment_counts_once():
    calls = ToolCalls()
    for _ in range(100):
        calls.add(0, id="i" * 10_000, name="n" * 100_000, arguments="1")

    (call,) = calls.finished()

    assert call.raw == "1" * 100


def test_long_arguments_cost_as_much_as_they_are_long():
    calls = ToolCalls()
    began = time.process_time()
    for _ in range(200_000):
        calls.add(0, name="n", arguments="x" * 20)

    (call,) = calls.finished()

    assert len(call.raw) == 4_000_000
    assert time.process_time() - began < 5  # joining them one by one takes minutes


def test_arguments_may_be_nested_but_not_without_measure():
    assert parse_arguments(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))
    assert parse_arguments(nested(MAX_DEPTH + 1)) is None
    assert parse_arguments(nested(100_000)) is None
    assert parse_arguments('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


def test_a_name_in_each_of_many_fragments_costs_no_time():
    calls = ToolCalls()
    began = time.process_time()
    calls.add(0, name="f", arguments='{"a":"')
    for _ in range(100_000):
        calls.add(0, name="f", arguments="{}")

    assert time.process_time() - began < 2
    assert len(calls) == 1
