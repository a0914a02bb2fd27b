import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from converse_stream.exceptions import MalformedCursor, NotStarted
from converse_stream.feed import batches, watch
from converse_stream.feed.feed import get_feed
from converse_stream.feed.reading import ending_event
from converse_stream.feed.viewer import Viewer
from converse_stream.models import Conversation, Message, Status
from converse_stream.models.chunk import Chunk
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = [f"w{index} " for index in range(40)] + ["é😀\u2028", "end"]
TEXT = "".join(WORDS)


class Gated:
    """A source that yields one word each time it is let."""

    def __init__(self, words: list[str] = WORDS) -> None:
        self.words = words
        self.allowed = threading.Semaphore(0)

    def let(self, count: int = 1) -> None:
        self.allowed.release(count)

    def let_all(self) -> None:
        self.allowed.release(len(self.words) + 1)

    def __iter__(self) -> Iterator[str]:
        for word in self.words:
            assert self.allowed.acquire(timeout=60)
            yield word


def test_a_viewer_sees_each_committed_word_while_the_answer_runs(conversation: Conversation) -> None:
    source = Gated()
    message = conversation.ask("go", source=source)

    seen, count = "", 0
    source.let()
    for event in message.follow(timeout=60):
        assert event.start == len(seen) or event.kind == "start"
        if event.kind == "text":
            seen += event.text
            count += 1
            assert Message.objects.get(pk=message.pk).content.startswith(seen) or event.is_ending
            source.let()

    assert seen == TEXT
    assert count == len(WORDS)
    assert event.kind == "complete"
    assert event.data["message"]["content"] == TEXT


@pytest.mark.parametrize("after_the_end", [False, True])
def test_cut_after_every_event_the_pieces_join_to_exactly_the_text(
    conversation: Conversation, after_the_end: bool
) -> None:
    """Seeds: T-07, A-13."""
    source = Gated()
    message = conversation.ask("go", source=source)
    if after_the_end:
        source.let_all()
        message.wait(60)

    seen, cursor = "", "0"
    source.let()
    while not cursor.endswith(".end"):
        event = next(event for event in message.follow(after=cursor, timeout=60) if event.kind != "start")
        assert event.start == len(seen)
        seen, cursor = seen + event.text, event.id
        source.let()

    assert seen == TEXT


def test_any_position_of_a_finished_message_can_be_continued_from(conversation: Conversation) -> None:
    message = conversation.ask("go", source=WORDS).wait(60)

    for position in range(len(TEXT) + 1):
        assert "".join(event.text for event in message.follow(after=position)) == TEXT[position:]


def test_an_ending_is_the_same_from_this_process_as_from_its_row(conversation: Conversation) -> None:
    source = Gated()
    message = conversation.ask("go", source=source, metadata={"mine": 1})
    events = message.follow(timeout=30)
    assert next(events).kind == "start"
    source.let_all()
    *_, told = events

    row = Message.objects.get(pk=message.pk)
    assert told == ending_event(row)
    assert told.data["message"]["content"] == TEXT


def test_a_late_joiner_of_two_thousand_rows_gets_them_in_three_events(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    stream.append("first").data("mark", 1)
    rows = [
        Chunk(message=stream.message, start=6 + index * 3, end=9 + index * 3, kind="text", data="abc", created_at=now())
        for index in range(2000)
    ]
    Chunk.objects.bulk_create(rows)

    late = message_events(Message.objects.get(pk=stream.message.pk))
    events = [next(late) for _ in range(4)]

    assert [event.kind for event in events] == ["start", "text", "data", "text"]
    assert events[-1].text == "abc" * 2000
    late.close()


def message_events(message: Message):
    return message.follow(timeout=60)


def now():
    from django.utils import timezone  # noqa: PLC0415 - one use

    return timezone.now()


def test_a_late_joiner_served_from_memory_gets_them_merged_too(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    early = message_events(stream.message)
    next(early)
    for index in range(50):
        stream.append(f"{index} ")
        assert next(early).text == f"{index} "

    late = message_events(Message.objects.get(pk=stream.message.pk))
    start, text = next(late), next(late)

    assert (start.kind, text.text) == ("start", "".join(f"{index} " for index in range(50)))
    late.close()
    early.close()


def test_many_viewers_at_once_and_late_ones_see_the_same(conversation: Conversation) -> None:
    source = Gated()
    message = conversation.ask("go", source=source)
    texts: list[str] = []

    def view() -> None:
        try:
            texts.append("".join(event.text for event in message.follow(timeout=60)))
        finally:
            connection.close()

    early = [threading.Thread(target=view) for _ in range(5)]
    for thread in early:
        thread.start()
    source.let(20)
    late = [threading.Thread(target=view) for _ in range(5)]
    for thread in late:
        thread.start()
    source.let_all()
    for thread in early + late:
        thread.join(30)

    assert texts == [TEXT] * 10


def test_a_viewer_needs_no_query_while_it_waits(conversation: Conversation, django_assert_max_num_queries) -> None:
    stream = conversation.start_stream()
    events = message_events(stream.message)
    next(events)

    with django_assert_max_num_queries(0):
        for index in range(20):
            stream.append(f"{index}")
            assert next(events).text == f"{index}"
    stream.complete()
    assert next(events).kind == "complete"


def test_a_message_written_elsewhere_is_followed_by_polling(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    events = message_events(stream.message)
    next(events)
    Chunk.objects.create(message=stream.message, start=0, end=2, kind="text", data="hi", created_at=now())

    assert next(events).text == "hi"

    Message.objects.get(pk=stream.message.pk).cancel()
    assert [event.kind for event in events] == ["cancelled"]


@pytest.fixture
def ahead(conversation: Conversation) -> Iterator[Message]:
    """A message of which "hi" is committed elsewhere, and a viewer that joined at once and has read two more."""
    stream = conversation.start_stream()
    message = stream.message
    Chunk.objects.create(message=message, start=0, end=2, kind="text", data="hi", created_at=now())
    viewer = Viewer()
    assert get_feed().join(viewer, str(message.pk), 0)
    get_feed().begin(viewer, 4)
    yield message
    get_feed().leave(viewer)
    Message.objects.get(pk=message.pk).cancel()
    del stream  # an answer ends with its stream


def test_whoever_joins_as_another_does_that_has_read_more_reads_on(ahead: Message) -> None:
    events = ahead.follow(timeout=60)
    assert (next(events).kind, next(events).text) == ("start", "hi")
    Chunk.objects.create(message=ahead, start=2, end=4, kind="text", data="ho", created_at=now())

    assert next(events).text == "ho"

    Chunk.objects.create(message=ahead, start=4, end=6, kind="text", data="hu", created_at=now())
    Message.objects.get(pk=ahead.pk).cancel()
    assert [(event.kind, event.text) for event in events] == [("text", "hu"), ("cancelled", "")]


async def test_it_does_so_in_an_event_loop_too(ahead: Message) -> None:
    events = ahead.afollow(timeout=60)
    assert ((await anext(events)).kind, (await anext(events)).text) == ("start", "hi")
    await Chunk.objects.acreate(message=ahead, start=2, end=4, kind="text", data="ho", created_at=now())

    assert (await anext(events)).text == "ho"

    await events.aclose()


def test_whoever_watches_the_conversation_does_so_too(ahead: Message) -> None:
    updates = (update.event for batch in watch(ahead.conversation) for update in batch)
    assert [next(updates).kind for _ in range(2)] == ["conversation", "start"]
    assert next(updates).text == "hi"
    Chunk.objects.create(message=ahead, start=2, end=4, kind="text", data="ho", created_at=now())

    assert next(updates).text == "ho"

    updates.close()


@pytest.mark.parametrize(
    "cursor", ["x", "-1", "1.5", "1e3", "99999999999", "\x00", "³", -1, True, None, f"{uuid.UUID(int=4)}.3"]
)
def test_a_malformed_cursor_is_refused(conversation: Conversation, cursor: object) -> None:
    message = conversation.add_assistant_message("hi")

    with pytest.raises(MalformedCursor):
        next(message.follow(after=cursor))  # type: ignore[arg-type]


@pytest.mark.parametrize("is_live", [True, False])
def test_a_cursor_beyond_the_end_is_answered_with_a_reset_and_everything(
    conversation: Conversation, is_live: bool
) -> None:
    stream = conversation.start_stream()
    stream.append("hello").data("mark", 1)
    if not is_live:
        stream.complete()

    events = Message.objects.get(pk=stream.message.pk).follow(after=1000, timeout=60)

    assert [(event.kind, event.start) for event in (next(events), next(events))] == [("reset", 0), ("text", 0)]
    events.close()


def test_following_a_deleted_message_ends(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    events = message_events(stream.message)
    next(events)

    Message.objects.filter(pk=stream.message.pk).delete()

    with pytest.raises(Message.DoesNotExist):
        list(events)


def test_silence_for_longer_than_the_timeout_raises(conversation: Conversation) -> None:
    stream = conversation.start_stream()

    with pytest.raises(TimeoutError):
        list(stream.message.follow(timeout=0.1))
    with pytest.raises(TimeoutError):
        stream.message.wait(timeout=0.1)


def test_waiting_inside_the_transaction_that_asks_raises(conversation: Conversation) -> None:
    with transaction.atomic():
        message = conversation.ask("go", source=["done"])
        for same in (message, Message.objects.get(pk=message.pk)):
            with pytest.raises(NotStarted):
                same.wait(1)

    assert message.wait(60).content == "done"


def test_a_transaction_that_outlasts_the_lease_costs_no_answer(conversation: Conversation, settings: Any) -> None:
    settings.CONVERSE_STREAM = {"LEASE": 0.001}
    source = Gated()
    with transaction.atomic():
        message = conversation.ask("go", source=source)
        settings.CONVERSE_STREAM = {}

    leased = Message.objects.filter(pk=message.pk, lease_expires_at__gt=Now() + timedelta(seconds=1)).exists()
    source.let_all()
    assert leased
    assert message.wait(60).content == TEXT


def test_of_a_transaction_that_is_rolled_back_nothing_is_left(conversation: Conversation) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        conversation.ask("go", source=["done"])
        raise ZeroDivisionError

    assert not Message.objects.exists()


async def test_async_viewers_see_the_same(conversation: Conversation) -> None:
    source = Gated()
    message = await conversation.aask("go", source=source)
    source.let_all()

    texts = ["".join([event.text async for event in message.afollow(timeout=60)]) for _ in range(3)]
    finished = await message.await_ending(10)

    assert texts == [TEXT] * 3
    assert finished.status == Status.COMPLETE


def test_an_ending_beyond_a_megabyte_leaves_the_content_to_rest(conversation: Conversation) -> None:
    message = conversation.ask("go", source=["x" * 1_100_000]).wait(60)

    *_, ending = message.follow()

    assert (ending.kind, ending.data["message"]["content"], ending.data["message"]["parts"]) == ("complete", None, None)
    assert ending.data["message"]["length"] == 1_100_000


@pytest.mark.parametrize("is_live", [True, False])
def test_a_long_text_is_read_in_pieces_that_join(conversation: Conversation, is_live: bool) -> None:
    text = "".join(f"{number:07} " for number in range(80_000))
    stream = conversation.start_stream()
    stream.append(text).data("mark", 1)
    if not is_live:
        stream.complete()

    events = []
    for event in Message.objects.get(pk=stream.message.pk).follow(after=8, timeout=60):
        events.append(event)
        if event.kind == "data":
            break

    assert [event.kind for event in events] == ["text", "text", "text", "data"]
    assert max(len(event.data) for event in events[:-1]) == 262_144
    assert "".join(event.text for event in events) == text[8:]
    stream.complete() if is_live else None


def test_what_was_said_before_its_message_was_deleted_is_followed_by_the_news_of_that(
    conversation: Conversation,
) -> None:
    stream = conversation.start_stream()
    events = batches(stream.message, beat=0.01)
    next(events)
    stream.append("Hello").flush()

    Message.objects.filter(pk=stream.message.pk).delete()
    tail = get_feed().tails[str(stream.message.pk)]
    until(lambda: tail.is_gone)

    assert [event.data for event in next(events)] == ["Hello"]
    with pytest.raises(Message.DoesNotExist):
        list(events)
