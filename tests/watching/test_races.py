"""Whatever happens in a conversation, and whenever a viewer comes and goes: what it has in the end is the record.

WATCHING_SEEDS=200 runs more of them.
"""

import asyncio
import os
import random
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from converse_stream.feed import awatch
from converse_stream.models import Conversation, Message
from tests.feed.test_watching import View, truth

pytestmark = pytest.mark.django_db(transaction=True)

SEEDS = int(os.environ.get("WATCHING_SEEDS", 4))


class Life:
    """A conversation in which things happen at random: questions, answers, stops, failures, titles, bulk imports."""

    def __init__(self, conversation: Conversation, seed: int) -> None:
        self.conversation = conversation
        self.random = random.Random(seed)
        self.live: list[Any] = []

    async def go_on(self, steps: int) -> None:
        for _ in range(steps):
            await self.random.choice([self.say, self.say, self.say, self.begin, self.end, self.stop, self.tell])()
            await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.02]))
        for stream in self.live:
            await stream.acomplete()
        await self.conversation.aadd_user_message("The end")

    async def begin(self) -> None:
        if len(self.live) < 2:
            await self.conversation.aadd_user_message(f"Question {self.random.random()}")
            stream = await self.conversation.astart_stream()
            # So that there may be another one beside it, as of a crew.
            await Message.objects.filter(pk=stream.message.pk).aupdate(live_in=None)
            self.live.append(stream)

    async def say(self) -> None:
        for stream in self.live:
            await stream.aappend("é" * self.random.randint(1, 5))
            if self.random.random() < 0.2:
                await stream.adata("progress", self.random.random())

    async def end(self) -> None:
        if self.live:
            stream = self.live.pop()
            await (stream.acomplete() if self.random.random() < 0.7 else stream.afail("late"))

    async def stop(self) -> None:
        if self.live and self.random.random() < 0.3:
            stream = self.live.pop()
            await (await Message.objects.aget(pk=stream.message.pk)).acancel()

    async def tell(self) -> None:
        await Conversation.objects.filter(pk=self.conversation.pk).aupdate(title=f"{self.random.random()}")


def is_over(view: View) -> bool:
    return "The end" in view.texts.values() and "streaming" not in view.statuses.values()


async def view_to_the_end(conversation: Conversation, seed: int) -> View:
    """Watch until the end, leaving and coming back now and then, each time with the cursor of any update."""
    view, patience = View(), random.Random(seed)
    while not is_over(view):
        stream = awatch(conversation, view.cursor, beat=20)
        try:
            for _ in range(patience.randint(1, 8)):
                updates = await anext(stream)
                assert updates, f"nothing came: {view.cursor} {view.statuses} {view.title} {view.kinds[-5:]}"
                view.apply(updates[: patience.randint(1, len(updates))])
                if is_over(view) or view.cursor != updates[-1].cursor:
                    break  # and what was on its way is lost
        finally:
            await stream.aclose()
        await asyncio.sleep(patience.choice([0, 0.005, 0.05]))
    return view


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_every_viewer_ends_with_the_record(conversation, settings, seed):
    settings.CONVERSE_STREAM = {"POLL_INTERVAL": 0.05}
    life = Life(conversation, seed)
    viewing = [asyncio.create_task(view_to_the_end(conversation, seed * 100 + number)) for number in range(4)]

    await life.go_on(80)
    views = await asyncio.wait_for(asyncio.gather(*viewing), 50)

    record = await sync_to_async(truth)(conversation)
    statuses = {m.number: m.status async for m in conversation.messages.all()}
    for view in views:
        assert view.texts == record
        assert view.statuses == statuses
        assert "reset" not in view.kinds
