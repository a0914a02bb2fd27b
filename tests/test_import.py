"""Importing the package does nothing yet: no thread, no connection, no file, until there is an answer to write."""

import json
import subprocess
import sys

import pytest

from tests.pages import ROOT

SCRIPT = """
import json, os, sys, threading

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="import",
    USE_TZ=True,
    ALLOWED_HOSTS=["testserver"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    ROOT_URLCONF="converse_stream.urls",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "converse_stream"],
)
before = os.listdir("/dev/fd")
django.setup()
import converse_stream.agents, converse_stream.api.urls, converse_stream.asgi, converse_stream.urls

from django.core.management import call_command
from django.db import connection
from django.test import Client
from converse_stream.models import Conversation

def threads():
    return sorted(thread.name for thread in threading.enumerate())

seen = {"files": len(os.listdir("/dev/fd")) - len(before), "connected": connection.connection is not None}
seen["threads"] = threads()
call_command("migrate", verbosity=0)
conversation = Conversation.objects.create()
Client().get("/messages/00000000-0000-0000-0000-000000000000/stream/")
seen["threads before an answer"] = threads()
message = conversation.ask("Well?", source=["Yes."])
seen["threads of an answer"] = threads()
seen["content"] = message.wait(60).content
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    database = tmp_path_factory.mktemp("import") / "db.sqlite3"
    command = [sys.executable, "-c", SCRIPT, str(database)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_opens_neither_files_nor_connections(seen):
    assert (seen["files"], seen["connected"]) == (0, False)


def test_no_thread_starts_before_the_first_answer(seen):
    assert seen["threads"] == ["MainThread"]
    assert seen["threads before an answer"] == ["MainThread"]
    assert "converse-recorder" in seen["threads of an answer"]
    assert seen["content"] == "Yes."
