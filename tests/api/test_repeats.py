"""Fifty requests at once with one key, over real connections: one call to the provider, and fifty times one answer."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
from rest_framework.authtoken.models import Token

from converse_stream.models import Attempt, Conversation, Message
from converse_stream.testing import Follower
from tests.servers import serve

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("ROUNDS", "2"))
"""How often the fifty are sent; `make repeats` sends them 200 times."""
AT_ONCE = 50
SETTINGS = {"DEFAULT_MODEL": "echo", "PROVIDERS": {"echo": {"class": "tests.records.Echo"}}, "POLL_INTERVAL": 0.05}


@pytest.fixture
def clients(owner) -> Iterator[list[httpx.Client]]:
    """Fifty connections of one user to one server."""
    headers = {"Authorization": f"Token {Token.objects.create(user=owner).key}"}
    with serve("uvicorn", settings=SETTINGS) as url:
        made = [httpx.Client(base_url=f"{url}/api/", headers=headers, timeout=60) for _ in range(AT_ONCE)]
        yield made
        for client in made:
            client.close()


def test_fifty_at_once_are_one_call_and_fifty_equal_answers(clients, owner):
    together = Barrier(AT_ONCE)

    def send(number: int, conversation: Conversation, key: str) -> tuple[str, str | None, bool]:
        """Ask, every other time for a stream; return the answer's id, what was streamed, and whether it repeats."""
        wants_stream = bool(number % 2)
        headers = {"Idempotency-Key": key, "Accept": "text/event-stream" if wants_stream else "application/json"}
        together.wait(60)
        path = f"conversations/{conversation.pk}/messages/"
        response = clients[number].post(path, json={"content": key}, headers=headers)
        assert response.status_code == (200 if wants_stream else 202), response.text
        answer = response.headers["Location"].split("/")[-3]
        text = Follower().read([response.content]).text if wants_stream else None
        assert wants_stream or response.json()["message"]["id"] == answer
        return answer, text, "Idempotent-Replayed" in response.headers

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for turn in range(ROUNDS):
            conversation, key = Conversation.objects.create(owner=owner), f"key of round {turn}"

            answers = list(threads.map(send, range(AT_ONCE), [conversation] * AT_ONCE, [key] * AT_ONCE))

            answer = Message.objects.get(pk=answers[0][0]).wait(60)
            assert answer.content == f"{key} "
            assert {pk for pk, *_ in answers} == {str(answer.pk)}
            assert [text for _, text, _ in answers if text is not None] == [answer.content] * (AT_ONCE // 2)
            assert sum(not is_replay for *_, is_replay in answers) == 1
            assert Attempt.objects.filter(message__conversation=conversation).count() == 1
            assert conversation.messages.count() == 2
