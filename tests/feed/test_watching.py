"""Watching a conversation: new messages, live answers, endings and titles, from any cursor."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from django.utils import timezone

from converse_stream.exceptions import MalformedCursor
from converse_stream.feed import ConversationCursor, Update, awatch, watch
from converse_stream.feed.history import PAGE
from converse_stream.feed.reader import READ_INTERVAL
from converse_stream.feed.watched import KEPT
from converse_stream.models import Chunk, Conversation, Message
from tests.cost.ledger import ledger
from tests.records import answered, person

pytestmark = pytest.mark.django_db(transaction=True)

BEAT = 5.0


class View:
    """What a page has of a conversation: it applies updates, and refuses what does not continue what it has."""

    def __init__(self) -> None:
        self.title: str | None = None
        self.texts: dict[int, str] = {}
        self.statuses: dict[int, str] = {}
        self.kinds: list[str] = []
        self.cursor: str | int = 0
        self._numbers: dict[str, int] = {}
        self._positions: dict[str, int] = {}

    def apply(self, updates: list[Update]) -> None:
        for update in updates:
            event = update.event
            self.kinds.append(event.kind)
            self.cursor = update.cursor
            if not event.message_id:
                self._apply_own(event)
            elif "message" in event.data if isinstance(event.data, dict) else False:
                self._apply_message(event)
            else:
                assert event.start == self._positions[event.message_id], event
                self._positions[event.message_id] = event.end
                self.texts[self._numbers[event.message_id]] += event.text

    def _apply_own(self, event: Any) -> None:
        if event.kind == "reset":
            self.__init__()  # type: ignore[misc]
            self.kinds.append("reset")
        else:
            self.title = event.data["title"]

    def _apply_message(self, event: Any) -> None:
        message, number = event.data["message"], event.data["message"]["number"]
        if event.kind in ("start", "message"):
            assert number not in self.statuses, f"message {number} came twice"
        if event.kind in ("start", "reset"):
            self._numbers[event.message_id], self._positions[event.message_id] = number, 0
            self.texts[number] = ""
        elif event.kind == "message":
            self.texts[number] = message["content"]
        else:
            assert event.start == self._positions[event.message_id]
            assert self.texts[number] == message["content"]
        self.statuses[number] = message["status"]


def truth(conversation: Conversation) -> dict[int, str]:
    messages = conversation.messages.exclude(role="system")
    return {message.number: message.content for message in messages}


@contextmanager
def watching(conversation: Conversation, view: View | None = None, *, after: str | int | None = None) -> Iterator[Any]:
    """Watch in this thread: `until(holds)` reads on until the view looks as it should."""
    view = view or View()
    stream = watch(conversation, view.cursor if after is None else after, beat=BEAT)

    def until(holds: Any) -> View:
        while not holds(view):
            updates = next(stream)
            assert updates, f"nothing came: {view.kinds}"
            view.apply(updates)
        return view

    try:
        yield until
    finally:
        stream.close()


@asynccontextmanager
async def awatching(conversation: Conversation, view: View) -> AsyncIterator[Any]:
    stream = awatch(conversation, view.cursor, beat=BEAT)

    async def until(holds: Any) -> View:
        while not holds(view):
            updates = await anext(stream)
            assert updates, f"nothing came: {view.kinds}"
            view.apply(updates)
        return view

    try:
        yield until
    finally:
        await stream.aclose()


def test_a_viewer_with_nothing_gets_the_title_and_every_message(conversation):
    conversation.add_system_message("Never tell anybody.")
    conversation.add_user_message("Hi")
    answered(conversation, "Hello")

    with watching(conversation) as until:
        view = until(lambda view: 3 in view.statuses)

    assert view.kinds == ["conversation", "message", "message"]
    assert (view.title, view.texts) == ("", {2: "Hi", 3: "Hello"})


def test_a_live_answer_is_seen_as_it_is_written_from_its_question_to_its_ending(conversation):
    with watching(conversation) as until:
        until(lambda view: view.title is not None)
        conversation.add_user_message("Count!")
        until(lambda view: 1 in view.statuses)
        stream = conversation.start_stream()
        until(lambda view: view.statuses.get(2) == "streaming")
        for word in ("one ", "two ", "three"):
            stream.append(word)
            until(lambda view, word=word: view.texts[2].endswith(word))
        stream.complete()
        view = until(lambda view: view.statuses[2] == "complete")

    assert view.kinds == ["conversation", "message", "start", "text", "text", "text", "complete"]
    assert view.texts == truth(conversation)


def test_everything_that_can_be_in_an_answer_comes(conversation):
    with watching(conversation) as until:
        until(lambda view: view.title is not None)
        with conversation.start_stream() as stream:
            until(lambda view: 1 in view.statuses)  # what had ended by then would come whole
            stream.reasoning("Hm").append("So").tool_call("c", "f", {}).tool_result("c", "f", 1).data("progress", 2)
        view = until(lambda view: view.statuses.get(1) == "complete")

    assert [kind for kind in view.kinds if kind != "start"][-6:] == [
        "reasoning", "text", "tool_call", "tool_result", "data", "complete",
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_every_ending_comes(conversation, end):
    with watching(conversation) as until:
        stream = conversation.start_stream()
        stream.append("So far")
        until(lambda view: view.texts.get(1) == "So far")
        Message.objects.get(pk=stream.message.pk).cancel() if end == "cancel" else stream.fail("late")
        view = until(lambda view: view.statuses[1] != "streaming")

    assert view.statuses == {1: {"cancel": "cancelled", "fail": "failed"}[end]}


def test_a_title_is_seen_when_it_changes_and_only_then(conversation):
    with watching(conversation) as until:
        until(lambda view: view.title == "")
        Conversation.objects.filter(pk=conversation.pk).update(title="Fjörds")
        until(lambda view: view.title == "Fjörds")
        conversation.add_user_message("Hi")
        view = until(lambda view: 1 in view.statuses)

    assert view.kinds == ["conversation", "conversation", "message"]


def test_what_other_processes_write_is_seen_without_any_hint(conversation):
    with watching(conversation) as until:
        until(lambda view: view.title is not None)
        # As another process would: no commit of ours, no hint.
        message = Message(
            conversation=conversation, number=1, role="assistant", status="streaming", live_in=conversation
        )
        Message.objects.bulk_create([message])
        Conversation.objects.filter(pk=conversation.pk).update(last_number=1, revision=1)
        until(lambda view: view.statuses.get(1) == "streaming")
        Chunk.objects.create(message=message, start=0, end=2, kind="text", data="hi", created_at=timezone.now())
        view = until(lambda view: view.texts[1] == "hi")
        Message.objects.get(pk=message.pk).cancel()
        until(lambda view: view.statuses[1] == "cancelled")

    assert view.texts == {1: "hi"}


def test_a_cut_after_every_update_costs_nothing(conversation):
    view = View()
    steps = iter(["ask", "one ", "two ", "end", "title", "ask", "three", "end"])
    stream = None

    for step in steps:
        if step == "ask":
            conversation.add_user_message("Go on")
            stream = conversation.start_stream()
        elif step == "end":
            stream.complete()
        elif step == "title":
            Conversation.objects.filter(pk=conversation.pk).update(title="Numbers")
        else:
            stream.append(step).data("said", step)
        cursor = None
        while cursor != view.cursor:  # an update at a time, each over a connection of its own
            cursor, source = view.cursor, watch(conversation, view.cursor, beat=0.1)
            updates = next(source)
            source.close()
            view.apply(updates[:1])

    assert view.texts == truth(conversation)
    assert view.title == "Numbers"
    assert set(view.statuses.values()) == {"complete"}
    assert "reset" not in view.kinds


def test_who_comes_back_up_to_date_gets_nothing(conversation):
    conversation.add_user_message("Hi")
    with watching(conversation) as until:
        view = until(lambda view: 1 in view.statuses)

    back = watch(conversation, view.cursor, beat=0.3)

    assert next(back) == []
    back.close()


def test_who_comes_back_after_the_answer_has_ended_gets_the_rest_of_it(conversation):
    stream = conversation.start_stream()
    stream.append("one ")
    with watching(conversation) as until:
        view = until(lambda view: view.texts.get(1) == "one ")
    stream.append("two").data("mark", 1)
    stream.complete()
    answered(conversation, "three")

    with watching(conversation, view) as until:
        until(lambda view: 2 in view.statuses)

    assert view.texts == {1: "one two", 2: "three"}
    assert view.kinds == ["conversation", "start", "text", "text", "data", "complete", "message"]


def test_a_number_alone_stands_for_finished_messages(conversation):
    conversation.add_user_message("Hi")
    stream = conversation.start_stream()
    stream.append("Hello")

    with watching(conversation, after=1) as until:
        view = until(lambda view: view.texts.get(2) == "Hello")

    assert view.kinds == ["conversation", "start", "text"]
    stream.complete()


def test_a_long_conversation_comes_in_pages(conversation):
    count = 2 * PAGE + 1
    Message.objects.bulk_create(
        Message(conversation=conversation, number=number, role="user", content=f"{number}")
        for number in range(1, count + 1)
    )
    Conversation.objects.filter(pk=conversation.pk).update(last_number=count)

    with watching(conversation) as until:
        view = until(lambda view: count in view.statuses)

    assert list(view.texts) == list(range(1, count + 1))


@pytest.mark.parametrize("pace", ["all at once", "one by one"])
def test_a_viewer_that_was_left_behind_catches_up(conversation, pace):
    with watching(conversation) as until:
        until(lambda view: view.title is not None)
        for number in range(KEPT + 2 * PAGE):
            conversation.add_user_message(f"{number}")
            if pace == "one by one":
                until(lambda view, number=number: number + 1 in view.statuses)
        view = until(lambda view: KEPT + 2 * PAGE in view.statuses)

    assert view.texts == truth(conversation)


def resets(conversation: Conversation, cursor: str) -> View:
    with watching(conversation, after=cursor) as until:
        return until(lambda view: 1 in view.statuses)


def test_a_cursor_from_another_history_gets_a_reset_and_everything(conversation):
    message = conversation.add_user_message("Hi")
    prefix = str(conversation.pk)[:8]

    for cursor in (f"{prefix}.999.1.00000000", f"{prefix}.1.7.00000000", f"{prefix}.1.2.00000000.2-5"):
        view = resets(conversation, cursor)
        assert view.kinds == ["reset", "conversation", "message"]
        assert view.texts == {1: message.content}


def test_a_position_that_nobody_gave_out_resets_its_message_only(conversation):
    stream = conversation.start_stream()
    stream.append("Hello").data("mark", 1)
    with watching(conversation) as until:
        cursor = until(lambda view: view.texts.get(1) == "Hello" and view.kinds[-1] == "data").cursor

    with watching(conversation, after=cursor.replace(".1-6", ".1-600")) as until:
        view = until(lambda view: view.kinds[-1:] == ["data"])

    assert view.kinds == ["reset", "text", "data"]
    assert view.texts == {1: "Hello"}
    stream.complete()


def test_a_live_answer_that_is_deleted_resets_the_conversation(conversation):
    conversation.add_user_message("Hi")
    stream = conversation.start_stream()
    with watching(conversation) as until:
        until(lambda view: 2 in view.statuses)
        Message.objects.filter(pk=stream.message.pk).delete()
        view = until(lambda view: view.kinds[-2:] == ["conversation", "message"] and "reset" in view.kinds)

    assert view.texts == {1: "Hi"}


@pytest.mark.parametrize(
    "cursor",
    ["x", "-1", -1, True, 1.5, None.__class__, "1.2.3", "\x00", "٣", 10**12, "{p}.1.1.00000000.5-1", "{p}.1.1.zz",
     "00000000.1.1.00000000", "{p}.1.1.00000000.1", "{p}.1.1.00000000" + ".1-1" * 33],
)  # fmt: skip
def test_a_malformed_cursor_is_refused(conversation, cursor):
    given = cursor.format(p=str(conversation.pk)[:8]) if isinstance(cursor, str) else cursor

    with pytest.raises(MalformedCursor):
        next(watch(conversation, given))
    with pytest.raises(MalformedCursor):
        awatch(conversation, given)


def test_a_cursor_is_short_and_fits_into_a_header():
    cursor = ConversationCursor(10**12, 10**4, "0badcafe", {9999: 10**6})

    text = cursor.text("0b9c7d2e-2f0c-4d7e-9a53-5a1f6a7f9f10")

    assert len(text) < 64
    assert ConversationCursor.parse(text, "0b9c7d2e-2f0c-4d7e-9a53-5a1f6a7f9f10") == cursor


@pytest.mark.parametrize("how", ["deleted", "taken out", "given away"])
def test_a_conversation_that_is_gone_ends_its_viewers(conversation, how):
    with watching(conversation) as until, pytest.raises(Conversation.DoesNotExist):
        until(lambda view: view.title is not None)
        rows = Conversation.objects.filter(pk=conversation.pk)
        if how == "deleted":
            rows.delete()
        elif how == "taken out":
            rows.update(deleted_at=timezone.now())
        else:
            rows.update(owner=person("another"))
        until(lambda view: False)


def test_viewers_come_with_a_new_owner_at_once(conversation):
    with watching(conversation) as until:
        until(lambda view: view.title is not None)
        Conversation.objects.filter(pk=conversation.pk).update(owner=person("another"))
        given = Conversation.objects.get(pk=conversation.pk)
        with watching(given) as until_given:
            view = until_given(lambda view: view.title is not None)

    assert view.kinds == ["conversation"]


def test_several_live_answers_do_not_mix(conversation):
    with watching(conversation) as until:
        until(lambda view: view.title is not None)
        streams = []
        for _ in range(3):
            streams.append(conversation.start_stream())
            Message.objects.filter(pk=streams[-1].message.pk).update(live_in=None)
        for word in "abc":
            for number, stream in enumerate(streams):
                stream.append(f"{word}{number}")
        for stream in streams:
            stream.complete()
        view = until(lambda view: list(view.statuses.values()) == ["complete"] * 3)

    assert view.texts == {number + 1: f"a{number}b{number}c{number}" for number in range(3)}


async def test_async_viewers_in_several_tabs_see_the_same(conversation):
    views = [View() for _ in range(5)]

    async def view_until_the_end(view: View) -> None:
        async with awatching(conversation, view) as until:
            await until(lambda view: view.statuses.get(2) == "complete")

    viewing = [asyncio.create_task(view_until_the_end(view)) for view in views]
    await conversation.aadd_user_message("Count!")
    stream = await conversation.astart_stream()
    for number in range(100):
        await stream.aappend(f"{number} ")
        await asyncio.sleep(0)
    await stream.acomplete()
    await asyncio.gather(*viewing)

    assert {view.texts[2] for view in views} == {"".join(f"{number} " for number in range(100))}


async def test_no_viewer_asks_the_database_anything_once_it_has_joined(conversation):
    """Seeds: T-16."""
    views = [View() for _ in range(20)]
    joined, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def view_until_the_end(view: View) -> None:
        async with awatching(conversation, view) as until:
            await until(lambda view: view.title is not None)
            joined.release()
            await go_on.wait()
            await until(lambda view: view.statuses.get(2) == "complete")

    with ledger() as kept:
        viewing = [asyncio.create_task(view_until_the_end(view)) for view in views]
        for _ in views:
            await joined.acquire()
        joining, began = len(kept.statements), time.monotonic()
        go_on.set()
        await conversation.aadd_user_message("Count!")
        stream = await conversation.astart_stream()
        for number in range(20):
            await stream.aappend(f"{number} ")
        await stream.acomplete()
        await asyncio.gather(*viewing)
        took = time.monotonic() - began

    said = kept.statements[joining:]
    by_viewers = [entry.said for entry in said if entry.thread.startswith("converse-database")]
    by_feed = [entry.said for entry in said if entry.thread == "converse-feed"]
    joins = [entry.said for entry in kept.statements[:joining] if entry.thread.startswith("converse-database")]
    assert sorted(joins) == ["SELECT conversation"] * len(views) + ["SELECT message"] * len(views)
    assert [said for said in by_viewers if said.startswith("SELECT")] == []  # an ending's follow-up is done there, too
    assert 0 < len(by_feed) < max(20, 3 * took / READ_INTERVAL)  # a read is three statements
    assert {view.texts[2] for view in views} == {"".join(f"{number} " for number in range(20))}


@pytest.mark.parametrize(("conversations", "viewers"), [(1, 1), (1, 30), (30, 1)])
async def test_waiting_costs_one_read_an_interval_for_all(user, settings, conversations, viewers):
    settings.CONVERSE_STREAM = {"POLL_INTERVAL": 0.1}
    watched = [await Conversation.objects.acreate(owner=user) for _ in range(conversations)]
    streams = [awatch(conversation, beat=0.55) for conversation in watched for _ in range(viewers)]
    with ledger() as kept:
        for stream in streams:
            await anext(stream)
        joining = len(kept.statements)

        silence = await asyncio.gather(*[anext(stream) for stream in streams])

    waiting = kept.statements[joining:]
    assert silence == [[]] * len(streams)
    assert {(entry.thread, entry.said) for entry in waiting} == {("converse-feed", "SELECT conversation")}
    assert 4 <= len(waiting) <= 7
    for stream in streams:
        await stream.aclose()


def test_nobody_reads_for_a_conversation_that_nobody_watches(conversation, settings):
    settings.CONVERSE_STREAM = {"POLL_INTERVAL": 0.02}
    with ledger() as kept:
        with watching(conversation) as until:
            until(lambda view: view.title is not None)
            conversation.add_user_message("Hi")
            until(lambda view: 1 in view.statuses)
        threading.Event().wait(0.1)
        while_watched = len(kept.of("converse-feed"))
        conversation.add_user_message("Anybody?")
        threading.Event().wait(0.1)

    assert len(kept.of("converse-feed")) == while_watched > 0


def test_a_conversation_that_cannot_be_read_hurts_no_other(conversation, user, caplog):
    other = Conversation.objects.create(owner=user)
    with watching(other) as until, watching(conversation) as until_broken:
        until(lambda view: view.title is not None)
        until_broken(lambda view: view.title is not None)
        Conversation.objects.filter(pk=conversation.pk).update(title="Seen by the feed")
        until_broken(lambda view: view.title)
        nonsense = Message(conversation=conversation, number=1, role="user", content="A secret.", metadata=5)
        Message.objects.bulk_create([nonsense])
        Conversation.objects.filter(pk=conversation.pk).update(last_number=1)
        with pytest.raises(RuntimeError, match="cannot be read"):
            until_broken(lambda view: 1 in view.statuses)
        with other.start_stream() as stream:
            stream.append("fine")
        view = until(lambda view: view.statuses.get(1) == "complete")

    assert view.texts == {1: "fine"}
    assert f"conversation {conversation.pk} cannot be read" in caplog.text
    assert "A secret." not in caplog.text


@pytest.mark.django_db(transaction=False)
def test_inside_a_transaction_a_viewer_reads_for_itself(conversation):
    conversation.add_user_message("Hi")
    stream = conversation.start_stream()
    stream.append("So far")

    view = View()
    source = watch(conversation, beat=0.3)
    while view.texts.get(2) != "So far":
        view.apply(next(source))
    stream.complete()
    while view.statuses[2] != "complete":
        view.apply(next(source))
    source.close()

    assert view.kinds == ["conversation", "message", "start", "text", "complete"]


async def test_with_the_inline_runner_a_viewer_reads_for_itself(conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "POLL_INTERVAL": 0.02}
    view = View()

    async with awatching(conversation, view) as until:
        await conversation.aask("Hi", source=["Hel", "lo"])
        await until(lambda view: 2 in view.statuses)
        await until(lambda view: view.title is not None)

    assert view.texts == {1: "Hi", 2: "Hello"}


def test_a_cut_before_an_answer_has_begun_loses_nothing_of_it(conversation):
    streams = []
    for _ in range(2):
        streams.append(conversation.start_stream())
        streams[-1].append("one ")
        Message.objects.filter(pk=streams[-1].message.pk).update(live_in=None)
    conversation.add_user_message("Hi")
    source, view = watch(conversation), View()
    view.apply(next(source))  # the question is here at once, the answers before it have to be read
    source.close()
    streams[0].append("two")
    streams[0].complete()

    with watching(conversation, view) as until:
        until(lambda view: view.statuses.get(1) == "complete" and view.texts.get(2) == "one ")

    assert view.kinds[:2] == ["conversation", "message"]
    assert view.texts == truth(conversation)
    streams[1].complete()
