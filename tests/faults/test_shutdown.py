"""A server that is told to end ends its answers: the text so far is kept, and nobody has to find out."""

import json
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from converse_stream.models import Conversation, Message, Status
from tests.faults.visitor import Visitor
from tests.pages import ROOT, blocks
from tests.servers import launch, session_cookie, websocket_url
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SITE = {"PROVIDERS": {"demo": {"pace": 0.005}}}
DEPLOY = ROOT / "docs" / "howto" / "deploy.md"
ENDS = {
    "uvicorn": signal.SIGTERM,
    "daphne": signal.SIGTERM,
    "gunicorn": signal.SIGTERM,
    "gunicorn-asgi": signal.SIGTERM,
    "runserver": signal.SIGINT,  # Ctrl+C; without its reloader, SIGTERM is as good as SIGKILL
}


def check_shutdown(message_id: str, seen: str) -> None:
    message = Message.objects.get(pk=message_id)
    assert (message.status, message.error_code) == (Status.FAILED, "shutdown")
    assert message.content.startswith(seen)
    assert (message.length, message.live_in) == (len(message.content), None)


@pytest.mark.parametrize("kind", ENDS)
def test_an_answer_that_nobody_watches_ends_with_its_server(kind: str, user: User) -> None:
    with launch(kind, settings=SITE) as server:
        message_id = Visitor(user).ask(server.url, "/long 100000")
        text = next(event for event in Message.objects.get(pk=message_id).follow(timeout=60) if event.kind == "text")

        server.process.send_signal(ENDS[kind])
        server.process.wait(60)

        check_shutdown(message_id, text.data)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne", "gunicorn", "gunicorn-asgi"])
def test_an_answer_that_is_watched_ends_with_its_server_as_the_documentation_sets_it_up(
    kind: str, user: User, tmp_path: Path
) -> None:
    visitor, configuration = Visitor(user), tmp_path / "gunicorn.conf.py"
    hooks = next(block for block in blocks(DEPLOY, "python") if "worker_exit" in block.source)
    configuration.write_text(hooks.source)
    arguments = f"--config {configuration} --graceful-timeout 5"
    with launch(kind, settings=SITE, GUNICORN_CMD_ARGS=arguments) as server:
        viewing = visitor.view(server.url, visitor.ask(server.url, "/long 100000"))
        viewing.wait_for(lambda follower: len(follower.text) > 100)

        server.process.send_signal(ENDS[kind])
        server.process.wait(60)

        check_shutdown(viewing.message_id, viewing.end().text)


def test_an_edit_under_runserver_ends_the_answers_of_the_process_it_replaces(user: User, tmp_path: Path) -> None:
    edited = tmp_path / "edited_settings.py"
    edited.write_text("from tests.settings import *")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with launch("runserver-reload", settings=SITE, DJANGO_SETTINGS_MODULE="edited_settings", PYTHONPATH=path) as server:
        message_id = Visitor(user).ask(server.url, "/long 100000")
        events = Message.objects.get(pk=message_id).follow(timeout=60)
        text = next(event for event in events if event.kind == "text")

        later = edited.stat().st_mtime + 10
        os.utime(edited, (later, later))
        ending = [event.kind for event in events][-1]

        assert ending == "failed"
        check_shutdown(message_id, text.data)


# From a viewer's side, and with time to end.

UNDER = ["uvicorn", "gunicorn", "gunicorn-asgi"]


@pytest.fixture
def hooks(tmp_path: Path) -> str:
    """Return the arguments that give gunicorn the configuration of the documentation."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(next(block for block in blocks(DEPLOY, "python") if "worker_exit" in block.source).source)
    return f"--config {configuration} --graceful-timeout 20"


@pytest.mark.parametrize("kind", UNDER)
def test_viewers_of_an_answer_written_elsewhere_are_sent_to_another_process(kind: str, user: User, hooks: str) -> None:
    visitor, stream = Visitor(user), Conversation.objects.create(owner=user).start_stream()
    stream.append("before ").flush()
    with launch(kind, GUNICORN_CMD_ARGS=hooks) as server:
        viewing = visitor.view(server.url, str(stream.message.pk))
        viewing.wait_for(lambda follower: follower.text == "before ")

        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        follower = viewing.end()
        server.process.wait(60)

    assert (follower.ending, viewing.error) == ("", None)
    assert time.monotonic() - began < 8  # nobody has waited for the viewer: not for its heartbeat, nor for a timeout
    stream.append("and after")
    with launch(kind, GUNICORN_CMD_ARGS=hooks) as server:
        stream.complete()
        for _ in visitor.follow(server.url, str(stream.message.pk), follower):
            pass
    assert (follower.text, follower.ending) == ("before and after", "complete")


@pytest.mark.parametrize("kind", ["uvicorn", "gunicorn-asgi"])
def test_sockets_are_closed_in_a_way_that_clients_come_back_from(kind: str, user: User, hooks: str) -> None:
    stream, headers = Conversation.objects.create(owner=user).start_stream(), {"Cookie": session_cookie(user)}
    stream.append("before").flush()
    with launch(kind, GUNICORN_CMD_ARGS=hooks) as server:
        url = websocket_url(server.url)
        with connect(url, additional_headers=headers, origin=server.url) as client:  # type: ignore[arg-type]
            client.send(json.dumps({"type": "follow", "message": str(stream.message.pk)}))
            while "before" not in str(client.recv(timeout=60)):
                pass
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=60)

    assert closed.value.rcvd is None or closed.value.rcvd.code in (1001, 1005, 1006, 1012)
    assert Message.objects.get(pk=stream.message.pk).is_live
    stream.complete()


@pytest.mark.parametrize("kind", UNDER)
def test_an_answer_may_go_on_until_it_ends_by_itself(kind: str, user: User, hooks: str) -> None:
    with launch(kind, settings={**SITE, "DRAIN_SECONDS": 15}, GUNICORN_CMD_ARGS=hooks) as server:
        message_id = Visitor(user).ask(server.url, "/long 500")
        next(event for event in Message.objects.get(pk=message_id).follow(timeout=60) if event.kind == "text")

        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)

    message = Message.objects.get(pk=message_id)
    assert (message.status, message.error_code) == (Status.COMPLETE, "")


def test_a_second_signal_ends_the_waiting(user: User) -> None:
    with launch("uvicorn", settings={**SITE, "DRAIN_SECONDS": 600}) as server:
        message_id = Visitor(user).ask(server.url, "/long 100000")
        events = Message.objects.get(pk=message_id).follow(timeout=60)
        text = next(event for event in events if event.kind == "text")

        server.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(server.url))  # it has begun to end, and waits for the answer
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)

    check_shutdown(message_id, text.data)


def test_a_viewer_that_would_take_the_end_for_an_answer_is_told_of_an_error(user: User) -> None:
    stream = Conversation.objects.create(owner=user).start_stream()
    stream.append("before").flush()
    cookie = {"Cookie": session_cookie(user)}
    with launch("uvicorn") as server:
        path = f"{server.url}/converse/messages/{stream.message.pk}/stream/?dialect=openai"
        with httpx.stream("GET", path, headers=cookie, timeout=60) as response:
            body = b""
            for data in response.iter_raw():
                if b"before" in data:
                    server.process.send_signal(signal.SIGTERM)
                body += data

    assert b'"error"' in body
    assert Message.objects.get(pk=stream.message.pk).status == Status.STREAMING
    stream.complete()


def accepts(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1).close()
    except OSError:
        return False
    return True
