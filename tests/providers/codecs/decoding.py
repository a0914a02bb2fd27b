"""What tests of decoders have in common: bytes in, deltas out, compared with what a recording's sidecar expects."""

from typing import Any

from converse_stream.events import Delta, Finish, Reasoning, Served, Text, ToolCall, Usage
from converse_stream.exceptions import Truncated
from converse_stream.providers.codecs import Decoder


def decode(kind: type[Decoder], *pieces: bytes) -> tuple[list[Delta], Any]:
    """Return the deltas of a body that arrives in pieces, and the error if it ends with one."""
    decoder = kind()
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    return [*deltas, *decoder.close()], decoder.error


def joined(deltas: list[Delta], kind: type) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


def only(deltas: list[Delta], kind: Any) -> list[Any]:
    return [delta for delta in deltas if isinstance(delta, kind)]


def finish(deltas: list[Delta]) -> Finish:
    (found,) = only(deltas, Finish)
    return found


def assert_says(kind: type[Decoder], recording: Any) -> None:
    """Assert that a recording decodes to what its sidecar expects."""
    expected = recording.expected
    deltas, error = decode(kind, recording.body)

    assert joined(deltas, Text) == expected["text"] + (expected.get("refusal") or "")
    assert joined(deltas, Reasoning) == expected["reasoning"]
    models = [served.model for served in only(deltas, Served)]
    assert models == ([expected["model"]] if expected["model"] else []) or models[0] in expected["model_accept"]
    if expected["error"]:
        _assert_fails(deltas, error, expected["error"])
    else:
        assert error is None
        _assert_ends(deltas, expected)


def assert_same_however_cut(kind: type[Decoder], recording: Any) -> None:
    """Assert that a recording decodes to the same deltas and error in whatever pieces it arrives."""
    results = {name: decode(kind, *pieces) for name, pieces in recording.cuts().items()}

    whole, error = results.pop("whole")
    for deltas, other in results.values():
        assert deltas == whole
        assert (type(other), str(other)) == (type(error), str(error))


def _assert_fails(deltas: list[Delta], error: Any, expected: dict[str, Any]) -> None:
    assert error.retryable is expected["retryable"]
    assert error.status == expected["http_status"]
    assert (expected["message_contains"] or "") in str(error)
    assert isinstance(error, Truncated) is (expected["kind"] == "stream_truncated")
    assert only(deltas, Finish | Usage) == []


def _assert_ends(deltas: list[Delta], expected: dict[str, Any]) -> None:
    assert deltas[-1] == finish(deltas)
    assert finish(deltas).reason in expected["finish_normalised"]
    assert finish(deltas).raw == (expected["finish_reason"] or "")
    usage = (only(deltas, Usage) or [Usage()])[0]
    counted = (expected["input_tokens"], expected["output_tokens_incl_reasoning"])
    assert (usage.input_tokens, usage.output_tokens) == counted
    assert usage.cached_tokens == expected.get("cached_tokens", usage.cached_tokens)
    assert usage.reasoning_tokens == expected.get("reasoning_tokens", usage.reasoning_tokens)
    calls = only(deltas, ToolCall)
    assert [(call.name, call.arguments) for call in calls] == [
        (call["name"], call["arguments"]) for call in expected["tool_calls"]
    ]
    ids = [call.id for call in calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert ids == [told.get("id") or id for told, id in zip(expected["tool_calls"], ids, strict=True)]
