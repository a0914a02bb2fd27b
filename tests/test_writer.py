import asyncio
import logging
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from converse_stream.events import Usage
from converse_stream.exceptions import OutputLimit, RateLimited, ReservedMetadata, StreamClosed
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.models.figures import RESERVED
from converse_stream.outcome import Outcome
from converse_stream.writer import PrismStream

pytestmark = pytest.mark.django_db(transaction=True)


def stored(stream: PrismStream) -> Message:
    return Message.objects.get(pk=stream.message.pk)


def test_what_is_appended_is_stored_in_order(conversation: Conversation) -> None:
    """Seeds: C-01, C-02."""
    with conversation.start_stream(model="my-model") as stream:
        for index in range(500):
            stream.append(f"{index} ")

    message = stored(stream)
    assert message.content == "".join(f"{index} " for index in range(500))
    assert (message.status, message.delta_count, message.length) == (Status.COMPLETE, 500, len(message.content))
    assert message.model == "my-model"


def test_the_same_instance_shows_the_ending(conversation: Conversation) -> None:
    """Seeds: C-05."""
    with conversation.start_stream() as stream:
        stream.append("hi")

    assert stream.message.content == "hi"
    assert stream.message.to_dict() == stored(stream).to_dict()


def test_every_kind_of_content_is_a_part_at_its_place(conversation: Conversation) -> None:
    """Seeds: A-08."""
    with conversation.start_stream() as stream:
        stream.reasoning("let me ").reasoning("see").append("I look it up. ")
        stream.tool_call("c1", "search", {"q": "π"}).tool_result("c1", "search", [1, None, float("nan")])
        stream.data("progress", {"done": 0.5}).append("Done.")

    message = stored(stream)
    assert message.parts == [
        {"type": "reasoning", "text": "let me see"},
        {"type": "text", "text": "I look it up. "},
        {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "π"}},
        {"type": "tool_result", "id": "c1", "name": "search", "result": [1, None, None], "is_error": False},
        {"type": "data", "name": "progress", "value": {"done": 0.5}},
        {"type": "text", "text": "Done."},
    ]
    assert message.content == "I look it up. Done."
    assert message.length == len("let me seeI look it up. Done.") + 3


def test_live_content_is_what_is_committed_so_far(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    stream.append("so far").data("mark", 1)

    message = stored(stream)

    assert (message.status, message.content, message.to_dict()["content"]) == (Status.STREAMING, "so far", "so far")
    assert message.to_dict()["length"] == 7
    stream.cancel()


def test_halves_of_a_surrogate_pair_in_two_appends_are_one_character(conversation: Conversation) -> None:
    with conversation.start_stream() as stream:
        stream.append("a\ud83d").append("").reasoning("b\ud83d").append("\ude00c").append("\ud83d")

    assert stored(stream).content == "a😀c\ufffd"
    assert stored(stream).parts[1:3] == [{"type": "reasoning", "text": "b"}, {"type": "text", "text": "😀c"}]
    assert stored(stream).parts[3] == {"type": "reasoning", "text": "\ufffd"}


def test_writing_after_the_end_raises(conversation: Conversation) -> None:
    """Seeds: C-02, V-14, T-10."""
    with conversation.start_stream() as stream:
        stream.append("x")

    for write in (stream.append, stream.reasoning, stream.fail):
        with pytest.raises(StreamClosed):
            write("y")
    for close in (stream.complete, stream.cancel, stream.flush, stream.__enter__):
        with pytest.raises(StreamClosed):
            close()
    assert stored(stream).content == "x"


async def test_writing_after_the_end_raises_in_async_code(conversation: Conversation) -> None:
    async with conversation.astart_stream() as stream:
        await stream.aappend("x")

    for write in (stream.aappend, stream.areasoning, stream.afail):
        with pytest.raises(StreamClosed):
            await write("y")
    for close in (stream.acomplete, stream.acancel, stream.aflush, stream.__aenter__):
        with pytest.raises(StreamClosed):
            await close()


def test_an_ending_after_the_end_is_not_logged(conversation: Conversation, caplog) -> None:
    stream = conversation.start_stream()
    stream.complete()

    with pytest.raises(StreamClosed):
        stream.fail("no")

    assert caplog.records == []


@pytest.mark.parametrize("content", ["text", {"type": "text", "text": "x"}, Usage(1), None])
def test_only_content_is_written_as_content(conversation: Conversation, content: Any) -> None:
    stream = conversation.start_stream()

    with pytest.raises(TypeError, match=r"Text, Reasoning, ToolCall.*append"):
        stream.write(content)
    with pytest.raises(TypeError, match=r"Text, Reasoning, ToolCall.*append"):
        asyncio.run(stream.awrite(content))

    assert stream.complete().parts == []


def test_an_exception_fails_the_message_keeps_the_text_and_is_raised(conversation: Conversation, caplog) -> None:
    """Seeds: C-04."""
    caplog.set_level(logging.ERROR, "converse_stream")
    with pytest.raises(ZeroDivisionError), conversation.start_stream() as stream:
        stream.append("secret text")
        raise ZeroDivisionError("by zero")

    message = stored(stream)
    assert (message.status, message.error_code, message.content) == (Status.FAILED, "internal", "secret text")
    assert message.error_message == "ZeroDivisionError: by zero"
    assert "by zero" not in str(message.to_dict())
    [record] = [record for record in caplog.records if record.name == "converse_stream"]
    assert record.exc_info
    assert str(message.pk) in record.getMessage()
    assert "secret text" not in caplog.text


def test_a_provider_error_keeps_its_code(conversation: Conversation) -> None:
    stream = conversation.start_stream().append("half")

    message = stream.fail(RateLimited("slow down", retry_after=3), provider_region="eu")

    assert message.public_error() == {
        "code": "rate_limit",
        "message": "The assistant is receiving too many requests. Please try again in a moment.",
        "retryable": True,
    }
    assert message.metadata["provider_region"] == "eu"


def test_cancel_keeps_the_text_that_was_written(conversation: Conversation) -> None:
    stream = conversation.start_stream().append("kept")

    assert stream.cancel().status == Status.CANCELLED

    assert (stored(stream).content, stored(stream).finish_reason) == ("kept", "cancelled")


def test_a_stop_from_elsewhere_ends_the_block_quietly_and_leaves_the_figures(conversation: Conversation) -> None:
    with conversation.start_stream() as stream:
        stream.append("one ").data("mark", 1)
        assert Message.objects.get(pk=stream.message.pk).cancel()
        while True:
            stream.append("never seen ").data("mark", 2)

    message = stored(stream)
    assert (message.status, message.content) == (Status.CANCELLED, "one ")
    assert message.delta_count >= 2
    assert message.timeline
    assert message.metadata["chunks"] == message.delta_count


def test_a_stop_before_the_block_ends_it_quietly_too(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    Message.objects.get(pk=stream.message.pk).cancel()
    with pytest.raises(StreamClosed):
        stream.data("mark", 1)

    with stream:
        stream.append("never seen")

    assert stored(stream).status == Status.CANCELLED


def test_only_the_output_limit_is_kept(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"MAX_OUTPUT_CHARS": 100}

    with pytest.raises(OutputLimit), conversation.start_stream() as stream:
        while True:
            stream.append("0123456789")

    assert (stored(stream).error_code, len(stored(stream).content)) == ("output_limit", 100)


OPENAI_SHAPED = SimpleNamespace(
    id="chatcmpl-1",
    model="gpt-x",
    choices=[SimpleNamespace(finish_reason="length")],
    usage=SimpleNamespace(
        prompt_tokens=25,
        completion_tokens=15,
        prompt_tokens_details=SimpleNamespace(cached_tokens=5),
        completion_tokens_details=None,
    ),
)
ANTHROPIC_SHAPED = SimpleNamespace(
    id="msg_1",
    model="claude-x",
    stop_reason="max_tokens",
    usage=SimpleNamespace(input_tokens=20, output_tokens=15, cache_read_input_tokens=5),
)
MAPPING = {
    "id": "r1",
    "model": "m",
    "choices": [{"finish_reason": "length"}],
    "usage": {"prompt_tokens": 25, "completion_tokens": 15, "cached_tokens": 5},
}
OURS = Outcome("m", "r1", "length", "length", input_tokens=25, output_tokens=15, cached_tokens=5)


@pytest.mark.parametrize("response", [OPENAI_SHAPED, ANTHROPIC_SHAPED, MAPPING, OURS])
def test_complete_reads_what_a_response_knows(conversation: Conversation, response: object) -> None:
    """Seeds: C-03."""
    message = conversation.start_stream(model="asked-for").append("x").complete(response, team="blue")

    assert (message.finish_reason, message.input_tokens, message.output_tokens) == ("length", 25, 15)
    assert (message.cached_tokens, message.reasoning_tokens) == (5, None)
    assert message.model != "asked-for"
    assert message.metadata["tokens"] == 40
    assert message.metadata["provider_request_id"]
    assert message.metadata["team"] == "blue"


def test_none_overwrites_nothing(conversation: Conversation) -> None:
    """Seeds: C-03."""
    response = {"model": None, "usage": None, "finish_reason": None}

    message = conversation.start_stream(model="asked-for", metadata={"mine": 1}).complete(response)

    assert (message.model, message.finish_reason, message.input_tokens) == ("asked-for", "stop", None)
    assert message.metadata["mine"] == 1


def test_usage_and_finish_reason_can_be_given_plainly(conversation: Conversation) -> None:
    message = conversation.start_stream().complete(usage={"output_tokens": 0}, finish_reason="max_tokens")

    assert (message.output_tokens, message.finish_reason, message.finish_reason_raw) == (0, "length", "max_tokens")


def test_reserved_metadata_is_refused_and_the_message_stays_open(conversation: Conversation) -> None:
    stream = conversation.start_stream()

    with pytest.raises(ReservedMetadata):
        stream.complete(chunks=3)

    assert stream.complete().status == Status.COMPLETE


def test_the_metadata_of_earlier_systems_is_all_there(conversation: Conversation) -> None:
    """Seeds: C-06."""
    done = conversation.start_stream().append("x").complete().metadata
    failed = conversation.start_stream().append("x").fail("no").metadata

    assert done.keys() | failed.keys() >= RESERVED
    assert done["stream_duration_ms"] == round(done["stream_duration"] * 1000)
    assert (done["chunks"], failed["chunks_received"], failed["error"]) == (1, 1, "no")


def test_figures_are_recorded(conversation: Conversation) -> None:
    """Seeds: A-05."""
    with conversation.start_stream() as stream:
        stream.append("a").append("b")

    message = stored(stream)
    assert message.started_at and message.first_delta_at and message.finished_at
    assert message.started_at <= message.first_delta_at <= message.finished_at
    assert message.duration == pytest.approx((message.finished_at - message.started_at).total_seconds())
    assert message.cost is None or isinstance(message.cost, Decimal)


def test_a_ten_megabyte_answer_is_stored_exactly(conversation: Conversation) -> None:
    """Seeds: V-03, T-15."""
    piece = "Ünïcödé 😀 \u2028 data: [DONE]\n\n" * 2000
    with conversation.start_stream() as stream:
        for _ in range(200):
            stream.append(piece)

    assert stored(stream).content == piece * 200
    assert stored(stream).length > 10_000_000


def test_retention_zero_deletes_the_chunks_with_the_ending(conversation: Conversation, settings) -> None:
    """Seeds: V-04."""
    settings.CONVERSE_STREAM = {"CHUNK_RETENTION": 0}
    with conversation.start_stream() as stream:
        stream.append("a").data("mark", 1)
        assert Chunk.objects.count() == 2

    assert Chunk.objects.count() == 0
    assert [event.text for event in stored(stream).follow(after=0) if event.kind == "text"] == ["a"]


async def test_async_code_writes_the_same(conversation: Conversation) -> None:
    async with conversation.astart_stream() as stream:
        await stream.aappend("a")
        await stream.areasoning("b")
        await stream.atool_call("1", "f", {})
        await stream.atool_result("1", "f", "r")
        await stream.adata("n", 1)

    message = await Message.objects.aget(pk=stream.message.pk)
    assert (message.status, [part["type"] for part in message.parts]) == (
        Status.COMPLETE,
        ["text", "reasoning", "tool_call", "tool_result", "data"],
    )


async def test_async_code_fails_and_cancels_the_same(conversation: Conversation) -> None:
    with pytest.raises(ZeroDivisionError):
        async with conversation.astart_stream() as stream:
            await stream.aappend("a")
            raise ZeroDivisionError
    other = await conversation.astart_stream()
    await other.aappend("b")
    await other.acancel()

    assert (await Message.objects.aget(pk=stream.message.pk)).status == Status.FAILED
    assert (await Message.objects.aget(pk=other.message.pk)).status == Status.CANCELLED
