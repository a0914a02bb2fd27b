"""Whatever a source, a row or a site's own code does, it is one message's trouble."""

import threading

import pytest
from django.db import connection, transaction

from converse_stream.events import Served, Usage
from converse_stream.exceptions import DatabaseHeld
from converse_stream.models import Chunk, Conversation, Message, Status
from converse_stream.signals import stream_completed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "known",
    [
        {"type": "usage", "input_tokens": "abc"},
        Usage(input_tokens=2**70),
        Usage(input_tokens=-5),
        Served(model="\ud800x" * 500, request_id="a\x00b"),
        {"type": "finish", "reason": "a very long word that nobody knows", "raw": "\x00" * 500},
    ],
)
def test_nonsense_about_an_answer_does_not_cost_the_answer(conversation: Conversation, known: object) -> None:
    other = Conversation.objects.create().start_stream()

    message = conversation.ask("go", source=["fine", known]).wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, "fine")
    assert message.input_tokens is None
    assert other.append("goes on").complete().content == "goes on"


def test_a_chunk_that_cannot_be_read_stops_the_viewers_of_its_own_message_only(conversation: Conversation) -> None:
    broken, fine = conversation.start_stream(), Conversation.objects.create().start_stream()
    viewers = [stream.message.follow(timeout=60) for stream in (broken, fine)]
    for viewer in viewers:
        next(viewer)
    row = {"start": 0, "end": 1, "kind": "data", "data": "no json", "created_at": broken.message.created_at}
    Chunk.objects.create(message=broken.message, **row)

    with pytest.raises(Message.DoesNotExist):
        list(viewers[0])

    fine.append("goes on").complete()
    assert [event.kind for event in viewers[1]] == ["text", "complete"]


def test_a_cursor_behind_the_ending_of_a_live_message_is_a_reset_and_hurts_no_other_viewer(
    conversation: Conversation,
) -> None:
    stream = conversation.start_stream()
    stream.append("text").data("mark", 1)
    odd = stream.message.follow(after=f"{stream.message.pk}.end", timeout=60)

    assert next(odd).kind == "reset"
    late = stream.message.follow(timeout=60)
    stream.append(" and more").complete()

    assert "".join(event.text for event in late) == "text and more"
    assert "".join(event.text for event in odd) == "text and more"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases lock rows")
def test_on_sqlite_waiting_inside_a_transaction_is_an_error_and_not_a_deadlock(conversation: Conversation) -> None:
    stream = conversation.start_stream().append("kept ")

    with transaction.atomic(), pytest.raises(DatabaseHeld):
        Conversation.objects.create()
        stream.data("mark", 1)

    assert stream.append("and on").complete().content == "kept and on"


def test_a_site_that_saves_a_stale_message_does_not_bring_it_back_to_life(conversation: Conversation) -> None:
    stream = conversation.start_stream().append("text")
    stream.data("mark", 1)
    stale = Message.objects.get(pk=stream.message.pk)
    stale.metadata["mine"] = 1
    stale.save()
    stream.complete()
    stale.metadata["later"] = 2
    stale.save()

    stored = Message.objects.get(pk=stream.message.pk)
    assert (stored.status, stored.live_in, stored.content) == (Status.COMPLETE, None, "text")
    assert {"mine": 1, "later": 2}.items() <= stored.metadata.items()


def test_metadata_that_a_site_saves_meanwhile_survives_the_ending(conversation: Conversation) -> None:
    stream = conversation.start_stream(metadata={"first": 1})
    Message.objects.filter(pk=stream.message.pk).update(metadata={"first": 1, "meanwhile": 2})

    message = stream.complete(last=3)

    assert {"first": 1, "meanwhile": 2, "last": 3}.items() <= message.metadata.items()


def test_a_stream_that_nobody_holds_any_more_loses_its_lease(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"LEASE": 0.5}
    message = conversation.start_stream().append("text").message

    assert message.wait(60).status == Status.FAILED
    assert (message.error_code, message.content) == ("worker_lost", "text")


def test_a_signal_receiver_that_asks_and_waits_blocks_nobody(conversation: Conversation) -> None:
    titled = threading.Event()

    def make_title(message: Message, **_: object) -> None:
        if message.conversation_id == conversation.pk:
            Conversation.objects.create().ask("a title?", source=["title"]).wait(60)
            titled.set()

    stream_completed.connect(make_title)
    try:
        conversation.ask("go", source=["x"]).wait(60)
        others = [Conversation.objects.create().ask("go", source=["y"]) for _ in range(8)]
        assert [message.wait(60).content for message in others] == ["y"] * 8
        assert titled.wait(60)
    finally:
        stream_completed.disconnect(make_title)


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_a_source_that_wants_to_exit_ends_its_own_answer_only(conversation: Conversation, end: type) -> None:
    async def leaving():
        yield "half"
        raise end

    message = conversation.ask("go", source=leaving()).wait(60)
    other = conversation.ask("again", source=["fine"]).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "shutdown", "half")
    assert other.content == "fine"
