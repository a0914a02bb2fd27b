"""What happens to viewers, between servers and proxies (rows 4, 45, 47, 57 and 78 of the fault matrix)."""

import asyncio
import os
import threading
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application

from converse_stream import feed
from converse_stream.asgi import converse_application
from converse_stream.models import Conversation, Message, Status
from converse_stream.testing import Follower
from tests.faults.visitor import Visitor
from tests.pages import ROOT
from tests.proxies import nginx
from tests.servers import launch, serve, session_cookie
from tests.serving.exchange import Exchange

pytestmark = pytest.mark.django_db(transaction=True)

CONNECTS = int(os.environ.get("CONNECTS", 100))
AHEAD = """
import datetime, time
_time = time.time
time.time = lambda: _time() + {seconds}
"""


@pytest.mark.slow
def test_4_a_killed_process_that_has_only_viewers_costs_nothing(user: User) -> None:
    visitor, stream = Visitor(user), Conversation.objects.create(owner=user).start_stream()
    stream.append("before ").flush()
    with serve("uvicorn") as survivor:
        with launch("uvicorn") as server:
            viewing = visitor.view(server.url, str(stream.message.pk))
            viewing.wait_for(lambda follower: follower.text == "before ")
            server.process.kill()
            follower = viewing.end()
        stream.append("and after").complete()
        for _ in visitor.follow(survivor, str(stream.message.pk), follower):
            pass

    assert (follower.text, follower.ending) == ("before and after", "complete")


def test_45_viewers_that_are_sent_away_at_once_come_back_one_after_the_other(conversation: Conversation) -> None:
    stream = conversation.start_stream()
    stream.complete()
    told = [int(next(iter(stream.message.stream_response())).split()[1]) for _ in range(200)]

    assert 1500 <= min(told) < 2000
    assert 4000 < max(told) <= 4500
    assert max(sum(at <= other < at + 300 for other in told) for at in told) < 60  # a tenth of the time, 20 expected


@pytest.mark.slow
def test_47_a_proxy_that_cuts_silent_connections_does_not_cut_a_silent_answer(user: User, tmp_path: Path) -> None:
    stream, pause = Conversation.objects.create(owner=user).start_stream(), threading.Event()
    cookie, follower, beats = {"Cookie": session_cookie(user)}, Follower(), 0
    site = {"SSE_HEARTBEAT": 0.5}
    with serve("uvicorn", settings=site) as server, nginx(tmp_path, server, location="proxy_read_timeout 4s;") as url:
        path = f"{url}/converse/messages/{stream.message.pk}/stream/"
        with httpx.stream("GET", path, headers=cookie, timeout=60) as response:
            assert response.status_code == 200
            for data in response.iter_raw():
                follower.feed(data)
                beats += data == b":\n"
                if beats == 12 and not pause.is_set():
                    pause.set()
                    stream.append("at last").complete()

    assert (follower.text, follower.ending) == ("at last", "complete")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-600, 600])
def test_57_a_process_whose_clock_is_wrong_ends_nobodys_answer(seconds: int, user: User, tmp_path: Path) -> None:
    """Leases go by the database's clock. The processes of a site on SQLite share their host's."""
    (tmp_path / "sitecustomize.py").write_text(AHEAD.format(seconds=seconds))
    visitor, stream = Visitor(user), Conversation.objects.create(owner=user).start_stream()
    stream.append("before ").flush()
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with launch("uvicorn", settings={"SSE_HEARTBEAT": 0.2}, PYTHONPATH=path) as server:
        viewing, pause = visitor.view(server.url, str(stream.message.pk)), threading.Event()
        viewing.wait_for(lambda follower: follower.text == "before ")
        pause.wait(4)  # it looks at leases every half second, and twice before it believes that one has run out
        assert Message.objects.get(pk=stream.message.pk).status == Status.STREAMING
        stream.append("and after").complete()
        follower = viewing.end()

    assert (follower.text, follower.ending) == ("before and after", "complete")


async def test_78_whoever_comes_and_goes_leaves_nothing_behind(conversation: Conversation) -> None:
    """`CONNECTS=1000` for more."""
    stream = await conversation.astart_stream()
    await stream.aappend("Hello")
    application, url = converse_application(get_asgi_application()), f"/streaming/follow/{stream.message.pk}/"
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()

    for number in range(CONNECTS):
        exchange = Exchange(application, url)
        if number % 2:
            await exchange.wait_for(b"Hello")
        exchange.leave()
        await asyncio.wait_for(exchange.task, 60)

    assert not feed.get_feed().tails[str(stream.message.pk)].viewers
    assert len(asyncio.all_tasks()) <= tasks + 1
    assert threading.active_count() <= threads + 8
    await stream.acomplete()
