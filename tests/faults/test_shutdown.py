"""A server that is told to end ends its answers: the text so far is kept, and nobody has to find out."""

import os
import signal
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from converse_stream.models import Message, Status
from tests.faults.visitor import Visitor
from tests.pages import ROOT, blocks
from tests.servers import launch

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
        text = next(event for event in Message.objects.get(pk=message_id).follow(timeout=20) if event.kind == "text")

        server.process.send_signal(ENDS[kind])
        server.process.wait(20)

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
        server.process.wait(20)

        check_shutdown(viewing.message_id, viewing.end().text)


def test_an_edit_under_runserver_ends_the_answers_of_the_process_it_replaces(user: User, tmp_path: Path) -> None:
    edited = tmp_path / "edited_settings.py"
    edited.write_text("from tests.settings import *")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with launch("runserver-reload", settings=SITE, DJANGO_SETTINGS_MODULE="edited_settings", PYTHONPATH=path) as server:
        message_id = Visitor(user).ask(server.url, "/long 100000")
        events = Message.objects.get(pk=message_id).follow(timeout=20)
        text = next(event for event in events if event.kind == "text")

        later = edited.stat().st_mtime + 10
        os.utime(edited, (later, later))
        ending = [event.kind for event in events][-1]

        assert ending == "failed"
        check_shutdown(message_id, text.data)
