"""The tests' site as workers see it: a Celery application, and providers that tell of their process."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from celery import Celery
from celery.signals import worker_init

from converse_stream.events import Delta, Finish, Text
from converse_stream.prompts import Prompt
from converse_stream.providers import Provider

app = Celery("tests", broker=os.environ.get("CELERY_BROKER", "memory://"))
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


class Census(Provider):
    """Says which process answers, after a while in which others do, and how many loops and recorders it has."""

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        yield Text(f"{os.getpid()} ")
        await asyncio.sleep(0.3)
        names = [thread.name for thread in threading.enumerate()]
        yield Text(f"{names.count('converse-loop')} {names.count('converse-recorder')}")
        yield Finish("stop")


@worker_init.connect
def be_of_a_release(**signal: object) -> None:
    """With RELEASE=2 stand in for a worker of a newer release, which knows newer forms of a request."""
    from converse_stream.models import claims  # noqa: PLC0415 - the applications are ready by now

    claims.REQUEST_VERSION = int(os.environ.get("RELEASE", claims.REQUEST_VERSION))


class Moody(Provider):
    """Says nothing for ever in a process with MOOD=silent, a word and nothing more with MOOD=sudden."""

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        mood = os.environ.get("MOOD", "")
        if mood != "silent":
            yield Text("Hello ")
        if mood:
            await asyncio.Event().wait()
        yield Text("there")
        yield Finish("stop")
