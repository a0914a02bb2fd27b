"""How viewers learn of news: from the commit itself, once, and without waking for nothing."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from converse_stream.brokers import local
from converse_stream.feed.viewer import AsyncViewer, Viewer, wake_all
from converse_stream.models import Chunk, Conversation, Message
from converse_stream.models.opening import insert, live


class Counted(Viewer):
    """A viewer that counts how often it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def wake(self) -> None:
        self.times += 1
        super().wake()


def test_a_viewer_that_knows_is_not_told_again() -> None:
    viewer = Counted()

    wake_all([viewer])
    wake_all([viewer])
    assert (viewer.times, viewer.wait(0)) == (1, True)
    wake_all([viewer])

    assert (viewer.times, viewer.wait(0), viewer.wait(0)) == (2, True, False)


async def test_news_that_was_noticed_before_the_word_came_wakes_nobody_later() -> None:
    viewer = AsyncViewer()
    wake_all([viewer])

    assert await viewer.await_news(10)  # the word is still on its way
    waiting = asyncio.ensure_future(viewer.await_news(10))
    for _ in range(3):
        await asyncio.sleep(0)

    assert not waiting.done()
    wake_all([viewer])
    assert await waiting
    viewer.close()


async def test_each_wait_lasts_as_long_as_it_may_though_the_timer_is_shared() -> None:
    viewer, loop = AsyncViewer(), asyncio.get_running_loop()
    loop.call_later(0.03, wake_all, [viewer])

    assert await viewer.await_news(0.05)
    began = loop.time()
    assert not await viewer.await_news(0.05)

    assert loop.time() - began >= 0.049
    viewer.close()


@pytest.mark.django_db(transaction=True)
def test_a_viewer_whose_event_loop_is_gone_hurts_nobody(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    gone = stream.message.afollow()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(anext(gone))
    loop.close()

    stream.append("still written").data("mark", 1)
    message = stream.complete()

    assert message.content == "still written"
    assert [event.kind for event in message.follow()] == ["start", "text", "data", "complete"]


@pytest.mark.django_db(transaction=True)
async def test_a_quick_writer_gives_its_viewer_no_empty_wait(conversation: Conversation) -> None:
    stream = await conversation.astart_stream()

    async def write() -> None:
        for index in range(300):
            await stream.aappend(f"{index} ")
            await asyncio.sleep(0)
        await stream.acomplete()

    writing = asyncio.create_task(write())
    seen = "".join([event.text async for event in stream.message.afollow(timeout=60)])

    await writing
    assert seen == "".join(f"{index} " for index in range(300))


@contextmanager
def hints_about(message: Message) -> Iterator[None]:
    """Hint at a message all the time."""
    hinting, is_over = threading.Event(), threading.Event()

    def hint() -> None:
        while not is_over.wait(0.005):
            local.hint([str(message.pk)])
            hinting.set()

    thread = threading.Thread(target=hint)
    thread.start()
    try:
        assert hinting.wait(20)
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_hints_about_one_message_keep_nobody_from_looking_at_another(conversation: Conversation, user: User) -> None:
    talked_about = conversation.start_stream()
    other = Conversation.objects.create(owner=user)
    silent = Message(conversation=other, number=1, role="assistant", status="streaming")
    Message.objects.bulk_create([silent])  # written elsewhere, and no hint of it ever comes
    followed, events = talked_about.message.follow(timeout=60), silent.follow(timeout=60)
    next(followed)
    next(events)

    with hints_about(talked_about.message):
        Chunk.objects.create(message=silent, start=0, end=2, kind="text", data="hi", created_at=timezone.now())
        assert next(events).text == "hi"

    events.close()
    followed.close()
    talked_about.complete()


@pytest.mark.django_db(transaction=True)
def test_hints_about_one_message_keep_nobody_from_finding_another_lost(
    conversation: Conversation, user: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONVERSE_STREAM = {"POLL_INTERVAL": 3}
    monkeypatch.setattr("converse_stream.models.leases.RECOVER_INTERVAL", inf)  # only the feed looks
    talked_about, silent = conversation.start_stream(), live(provider="", model="", metadata={})
    insert(Conversation.objects.create(owner=user), [silent])
    followed, events = talked_about.message.follow(timeout=60), silent.follow(timeout=15)
    next(followed)
    next(events)

    with hints_about(talked_about.message):
        long_ago = timezone.now() - timedelta(seconds=31)
        Message.objects.filter(pk=silent.pk).update(lease_expires_at=long_ago)
        assert next(events).kind == "failed"

    followed.close()
    talked_about.complete()
