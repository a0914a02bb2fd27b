"""manage.py converse_ask: a model at the command line."""

import os
import signal
import subprocess
import sys
from io import StringIO
from subprocess import PIPE

import pytest
from django.core.management import CommandError, call_command

from converse_stream.events import Served, Usage
from converse_stream.exceptions import QuotaExceeded, ServerError
from converse_stream.models import Conversation, Message, Status
from converse_stream.testing import ScriptedProvider
from tests.servers import ROOT, database_url
from tests.turns import InTurn
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def ask(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("converse_ask", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture(params=["thread", "inline"])
def runner(request) -> str:
    return request.param


def test_the_answer_is_printed_and_how_it_went_beside_it(settings, runner, user) -> None:
    script = ["Hello, ", "world", Usage(7, 2), Served("m-2026", "r")]
    provider = ScriptedProvider(script, "mine")
    settings.CONVERSE_STREAM = {"RUNNER": runner, "PROVIDERS": {"mine": provider}}

    out, err = ask("Hi!", "--model", "mine:m", "--system", "Be brief.", "--user", "ada")

    message = Message.objects.assistant().get()
    assert out == "Hello, world\n"
    assert err.startswith("mine:m-2026 · complete · 7 tokens in, 2 out · first token after ")
    assert err.endswith(f"message {message.pk}\n")
    assert (message.conversation.owner, message.conversation.system_prompt) == (user, "Be brief.")
    assert [said.text for said in provider.prompts[0].messages] == ["Be brief.", "Hi!"]


def test_without_a_model_the_sites_own_is_asked(settings, runner) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner, "DEFAULT_MODEL": ScriptedProvider(["mine"])}

    assert ask("Hi!")[0] == "mine\n"
    assert Conversation.objects.get().owner is None


def test_several_models_are_asked_in_turn(settings, runner) -> None:
    providers = {"a": InTurn([QuotaExceeded()], name="a"), "b": ScriptedProvider(["second"], "b")}
    settings.CONVERSE_STREAM = {"RUNNER": runner, "PROVIDERS": providers}

    out, err = ask("Hi!", "--model", "a:x", "--model", "b:y")

    assert out == "second\n"
    assert err.startswith("b:y · complete")


def test_a_whole_answer_can_be_asked_for(settings, runner) -> None:
    provider = ScriptedProvider(["all"])
    settings.CONVERSE_STREAM = {"RUNNER": runner, "DEFAULT_MODEL": provider}

    ask("Hi!", "--no-stream")

    assert provider.prompts[0].options == {"stream": False}
    assert Message.objects.assistant().get().metadata["streamed"] is False


def test_a_failure_is_told_in_public_words_and_by_the_exit_code(settings, runner) -> None:
    provider = ScriptedProvider(["half an ", ServerError("secret detail")])
    settings.CONVERSE_STREAM = {"RUNNER": runner, "DEFAULT_MODEL": provider}
    out = StringIO()

    with pytest.raises(CommandError, match=r"The assistant had an internal problem\. \(server\)") as caught:
        call_command("converse_ask", "Hi!", stdout=out, stderr=StringIO())

    assert caught.value.returncode == 1
    assert out.getvalue() == "half an \n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Hi!", "--model", "nobody:knows"], "no provider 'nobody'"),
        (["Hi!", "--user", "nobody"], "there is no user 'nobody'"),
        ([""], "empty"),
        ([" "], "empty"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_nothing(arguments, said) -> None:
    with pytest.raises(CommandError, match=said):
        ask(*arguments)

    assert not Conversation.objects.exists()


def test_ctrl_c_stops_the_answer_and_keeps_its_text() -> None:
    command = [sys.executable, "-m", "django", "converse_ask", "/long 100000"]
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url()}
    with subprocess.Popen(command, bufsize=0, cwd=ROOT, env=env, stdout=PIPE, stderr=PIPE) as process:
        until(lambda: process.stdout.read(1) == b"7", 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    message = Message.objects.assistant().get()
    assert process.returncode == 130, err
    assert message.status == Status.CANCELLED
    assert message.content.startswith("1 2 3 4 5 6 7 ")
    assert "1 2 3 4 5 6 7" + out.decode() == message.content + "\n"
    assert "cancelled" in err.decode()
    assert "Traceback" not in err.decode()
