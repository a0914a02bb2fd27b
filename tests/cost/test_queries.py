"""What asking and joining cost, query by query."""

import pytest

from converse_stream.models import Conversation, Message
from tests.cost.ledger import ledger

pytestmark = pytest.mark.django_db(transaction=True)

ASKING = [
    "BEGIN",
    "UPDATE conversation",  # reserves the numbers and takes the lock
    "SELECT conversation",
    "SELECT message",  # is there a live answer?
    "SELECT message",  # the newest leaf
    "INSERT message",
    "INSERT message",
    "COMMIT",
]


def test_asking_takes_one_transaction(conversation: Conversation) -> None:
    with ledger() as kept:
        message = conversation.ask("go", source=["done"])

    assert kept.of("MainThread") == ASKING
    message.wait(10)


def test_joining_an_answer_that_has_just_begun_reads_its_row_and_its_chunks(conversation: Conversation) -> None:
    stream = conversation.start_stream()

    with ledger() as kept:
        events = stream.message.follow(timeout=10)
        next(events)

    assert kept.of("MainThread") == ["SELECT message", "SELECT chunk"]
    events.close()


def test_joining_late_where_somebody_has_followed_from_the_start_reads_nothing(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    early = stream.message.follow(timeout=10)
    next(early)
    stream.append("already said")
    assert next(early).text == "already said"

    with ledger() as kept:
        late = stream.message.follow(timeout=10)
        assert [next(late).kind, next(late).text] == ["start", "already said"]

    assert kept.of("MainThread") == []
    early.close()
    late.close()


def test_joining_late_as_the_first_reads_the_row_and_the_chunks(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    stream.append("already said").data("mark", 1)

    with ledger() as kept:
        late = stream.message.follow(timeout=10)
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
        events = stream.message.afollow(timeout=10)
        await anext(events)

    assert kept.of("MainThread") == []
    assert kept.of("converse-database") == ["SELECT message", "SELECT chunk"]
    await events.aclose()
