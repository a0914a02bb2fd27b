"""manage.py converse_recover: the truth about answers whose process is gone, for sites in which nobody looks."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from converse_stream.models import Conversation, Message, Status
from converse_stream.models.opening import insert, live
from tests.servers import ROOT, database_url
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def orphan(seconds: float) -> Message:
    """Return a live message that nobody writes, whose lease ran out so many seconds ago."""
    message = live(provider="", model="", metadata={})
    insert(Conversation.objects.create(), [message])
    expires = timezone.now() - timedelta(seconds=seconds)
    Message.objects.filter(pk=message.pk).update(lease_expires_at=expires)
    return message


def test_one_look_ends_what_has_been_lost_for_long_and_leaves_what_lives() -> None:
    lost, living = orphan(31), orphan(-60)

    call_command("converse_recover", stdout=(output := StringIO()))

    assert output.getvalue() == "1 ended, 0 waiting to be begun\n"
    lost.refresh_from_db()
    assert (lost.status, lost.error_code) == (Status.FAILED, "worker_lost")
    assert Message.objects.get(pk=living.pk).is_live


@pytest.mark.slow
def test_what_may_only_be_held_up_is_looked_at_twice() -> None:
    lost = orphan(1)

    call_command("converse_recover", stdout=(output := StringIO()))

    assert output.getvalue() == "1 ended, 0 waiting to be begun\n"
    assert not Message.objects.get(pk=lost.pk).is_live


@pytest.mark.slow
def test_the_loop_looks_until_it_is_told_to_end() -> None:
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    command = [sys.executable, "-m", "django", "converse_recover", "--loop", "--interval", "0.2"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as loop:
        try:
            for _ in range(2):
                lost = orphan(31)
                until(lambda lost=lost: not Message.objects.get(pk=lost.pk).is_live, 30)
            loop.send_signal(signal.SIGTERM)
            told, _ = loop.communicate(timeout=60)
        finally:
            loop.kill()

    assert loop.returncode == 0
    assert told == "1 ended, 0 waiting to be begun\n" * 2
