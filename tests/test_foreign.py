"""Events of other libraries as a source: as mappings, such as they are logged, queued or sent by a gateway."""

import json

import pytest

from converse_stream.events import Finish, Reasoning, Text, ToolCall, Usage
from converse_stream.exceptions import ProviderError, Truncated
from converse_stream.generation.foreign import Foreign
from converse_stream.providers.codecs.chat import ChatDecoder
from converse_stream.providers.codecs.messages import MessagesDecoder
from converse_stream.providers.codecs.responses import ResponsesDecoder
from converse_stream.providers.codecs.sse import SSEDecoder
from tests.providers.codecs.decoding import decode, joined
from tests.recordings import recordings

KINDS = {"chat_completions": ChatDecoder, "responses": ResponsesDecoder, "messages": MessagesDecoder}
RECORDED = [
    *recordings(streams=True, provider="openai"),
    *recordings(streams=True, provider="openai", api="responses"),
    *recordings(streams=True, provider="anthropic", api="messages"),
]


def events_of(body):
    """Return what a library would read from a recorded body: the JSON of each event."""
    decoder = SSEDecoder()
    events = [*decoder.feed(body), *decoder.close()]
    return [json.loads(event.data) for event in events if event.data.strip() != "[DONE]"]


def deltas_of(events):
    foreign = Foreign()
    deltas = [delta for event in events for delta in foreign.deltas(event)]
    return [*deltas, *foreign.rest()]


def figures(deltas):
    """Return what counts of an answer."""
    calls = [(each.name, each.arguments) for each in deltas if isinstance(each, ToolCall)]
    rest = [each for each in deltas if isinstance(each, Usage | Finish)]
    return joined(deltas, Text), joined(deltas, Reasoning), calls, rest


@pytest.mark.parametrize("recording", RECORDED)
def test_the_events_of_a_recorded_answer_say_what_the_answer_says(recording):
    expected, error = decode(KINDS[recording.sidecar["api"]], recording.body)
    if error is not None:
        pytest.skip("a library raises it")

    assert figures(deltas_of(events_of(recording.body))) == figures(expected)


def test_a_stream_of_chunks_that_just_stops_is_no_answer():
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Half an"}}]}

    with pytest.raises(Truncated):
        deltas_of([chunk])


@pytest.mark.django_db
def test_chunks_as_mappings_are_recorded_and_what_was_said_before_they_stopped_is_kept(conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    chunk = {"object": "chat.completion.chunk", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "Half"}}]}
    end = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}

    whole = conversation.ask("Hi", source=[chunk, chunk, end])
    half = conversation.ask("Hi", source=[chunk])

    assert (whole.content, whole.status, whole.finish_reason, whole.model) == ("HalfHalf", "complete", "length", "m-1")
    assert (half.content, half.status, half.error_code) == ("Half", "failed", "truncated")


def test_an_error_among_the_events_is_raised_after_what_was_said():
    foreign = Foreign()
    start = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Half"}}
    error = {"type": "response.failed", "response": {"status": "failed", "error": {"message": "no"}}}

    assert list(foreign.deltas(start)) == [Text("Half")]
    with pytest.raises(ProviderError):
        deltas_of([error])


@pytest.mark.parametrize("item", [5, object(), {"type": "chunky"}, {}, None, b"bytes"])
def test_what_nobody_knows_is_refused(item):
    with pytest.raises(TypeError, match="a source yielded"):
        list(Foreign().deltas(item))
