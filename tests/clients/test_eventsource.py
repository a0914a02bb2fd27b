"""A real EventSource: it is sent away again and again, comes back by itself, misses nothing, and stops at the end."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from rest_framework.authtoken.models import Token

from converse_stream.dialects import BUILT_IN
from converse_stream.models import Conversation
from tests.dialects.clients import READERS, Seen
from tests.servers import serve

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

HERE = Path(__file__).parent
WITH_CURSORS = [name for name, dialect in BUILT_IN.items() if dialect.has_cursors]
NAMES = ["start", "text", "reset", "complete", "failed", "cancelled", "chunk", "completion", "error"]
NAMES += ["stream_start", "text_start", "text_delta", "text_complete", "stream_end"]
WORDS = [f"{number} " for number in range(1, 8)]
BRIEF = {"SSE_RETRY": 20, "SSE_MAX_SECONDS": 0.1, "SSE_HEARTBEAT": 0.03, "POLL_INTERVAL": 0.03}


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_it_has_everything_once_and_is_told_to_stop(conversation: Conversation, server: str) -> None:
    token = Token.objects.create(user=conversation.owner)
    with serve(server, settings=BRIEF) as url:
        for name in WITH_CURSORS:
            conversation = Conversation.objects.create(owner=token.user)
            with conversation.start_stream() as stream:
                address = f"{url}/api/messages/{stream.message.pk}/stream/?dialect={name}"
                command = ["node", str(HERE / "eventsource.mjs"), address, token.key, *NAMES]
                env = os.environ | {"EVENTSOURCE_DIR": str(HERE / "ai7")}
                client = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
                assert client.stdout is not None
                assert client.stdout.readline() == "connected\n"
                for word in WORDS:
                    stream.append(word)
                    with pytest.raises(subprocess.TimeoutExpired):
                        client.wait(0.12)  # longer than a response lasts
            printed, _ = client.communicate(timeout=60)

            told, seen = json.loads(printed), Seen()
            for event in told["events"]:
                data = event["data"] if event["data"] == "[DONE]" else json.loads(event["data"])
                READERS[name](seen, event["event"], data)
            assert seen.text == "".join(WORDS)
            assert seen.ending == "complete"
            assert told["statuses"][-1] == 204
            assert len(told["connections"]) > 3
            assert told["connections"][-1] == f"{stream.message.pk}.end"
