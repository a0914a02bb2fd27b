"""What asking and joining cost, query by query."""

import pytest
from asgiref.sync import sync_to_async
from django.db.models.signals import post_save

from converse_stream.models import Conversation, Message
from tests.cost.ledger import ledger
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = [
    "BEGIN",
    "UPDATE conversation",  # reserves the numbers and takes the lock
    "SELECT conversation",
    "INSERT message",
    "COMMIT",
]
LATER = [
    *FIRST[:3],
    "SELECT message",  # is there a live answer?
    "SELECT message",  # the newest leaf
    *FIRST[3:],
]


def test_asking_takes_one_transaction(conversation: Conversation) -> None:
    """Seeds: C-09."""
    with ledger() as kept:
        message = conversation.ask("go", source=["done"])

    assert kept.of("MainThread") == FIRST
    message.wait(30)
    with ledger() as kept:
        message = conversation.ask("on", source=["done"])
    assert kept.of("MainThread") == LATER
    message.wait(30)


def test_a_site_that_listens_hears_of_each_message_that_is_saved(conversation: Conversation) -> None:
    heard = []

    def listen(instance: Message, **_: object) -> None:
        heard.append(instance.role)

    post_save.connect(listen, sender=Message)
    try:
        message = conversation.ask("go", source=["done"])
    finally:
        post_save.disconnect(listen, sender=Message)

    assert heard == ["user", "assistant"]
    message.wait(30)


async def test_an_answer_of_a_model_that_is_followed_takes_few_statements(conversation: Conversation) -> None:
    with ledger() as kept:
        response = await conversation.astream_response("go", model="demo")
        body = b"".join([part async for part in response])
        # The conversation's revision comes after the ending has been told.
        await sync_to_async(until)(lambda: "UPDATE conversation" in kept.of("converse-database"), 30)

    assert b"event: complete" in body
    assert kept.of("converse-database") == ["INSERT attempt", "UPDATE attempt", "UPDATE conversation"]
    ending = [entry.said for entry in kept.transactions("converse-recorder")[-1] if entry.said != "INSERT chunk"]
    # The fence, the site's metadata, the ending.
    assert ending == ["BEGIN", "UPDATE message", "SELECT message", "UPDATE message", "COMMIT"]


def test_what_this_process_writes_is_followed_to_its_ending_without_a_read(conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"POLL_INTERVAL": 60.0}
    stream = conversation.start_stream()
    events = stream.message.follow(timeout=30)
    assert next(events).kind == "start"

    with ledger() as kept:
        stream.append("said")
        assert next(events).text == "said"
        stream.complete()
        assert next(events).kind == "complete"

    assert kept.of("converse-feed") == []


def test_joining_an_answer_that_has_just_begun_reads_its_row_and_its_chunks(conversation: Conversation) -> None:
    stream = conversation.start_stream()

    with ledger() as kept:
        events = stream.message.follow(timeout=60)
        next(events)

    assert kept.of("MainThread") == ["SELECT message", "SELECT chunk"]
    events.close()


def test_joining_late_where_somebody_has_followed_from_the_start_reads_nothing(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    early = stream.message.follow(timeout=60)
    next(early)
    stream.append("already said")
    assert next(early).text == "already said"

    with ledger() as kept:
        late = stream.message.follow(timeout=60)
        assert [next(late).kind, next(late).text] == ["start", "already said"]

    assert kept.of("MainThread") == []
    early.close()
    late.close()


def test_joining_late_as_the_first_reads_the_row_and_the_chunks(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    stream.append("already said").data("mark", 1)

    with ledger() as kept:
        late = stream.message.follow(timeout=60)
        assert [next(late).kind, next(late).text, next(late).kind] == ["start", "already said", "data"]

    assert kept.of("MainThread") == ["SELECT message", "SELECT chunk"]
    late.close()


def test_joining_a_finished_answer_reads_its_row(conversation: Conversation) -> None:
    with conversation.start_stream() as stream:
        stream.append("done")
    message = Message.objects.get(pk=stream.message.pk)

    with ledger() as kept:
        assert [event.kind for event in message.follow()] == ["start", "text", "complete"]

    assert kept.of("MainThread") == ["SELECT message"]


async def test_an_async_viewer_joins_in_a_database_thread_with_the_same_queries(conversation: Conversation) -> None:
    stream = await conversation.astart_stream()

    with ledger() as kept:
        events = stream.message.afollow(timeout=60)
        await anext(events)

    assert kept.of("MainThread") == []
    assert kept.of("converse-database") == ["SELECT message", "SELECT chunk"]
    await events.aclose()
