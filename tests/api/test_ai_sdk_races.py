"""Requests in earnest: at the same moment, as a client sends them that has lost its connection, and in transactions."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from converse_stream.models import Conversation, Message
from tests.dialects.clients import read
from tests.records import Echo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def inline(settings) -> None:
    """Undo the folder's inline runner: here two requests are served at once."""
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": "echo", "PROVIDERS": {"echo": Echo("echo")}}


def at_once(count: int, act: Callable[[], Any]) -> list[Any]:
    """Call `act` in so many threads at the same moment. Return what they return."""
    barrier, results = threading.Barrier(count), list[Any]()

    def run() -> None:
        try:
            barrier.wait(60)
            results.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_the_first_message_of_a_chat_sent_four_times_at_once_is_asked_once(owner) -> None:
    def post() -> tuple[int, str]:
        client = APIClient()
        client.force_authenticate(owner)
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello there."}]}
        response = client.post("/api/chat", {"id": "c1", "messages": [message]}, format="json")
        return response.status_code, read("ai-sdk", b"".join(response)).text

    assert at_once(4, post) == [(200, "Hello there. ")] * 4
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 2)


def test_a_completion_sent_four_times_at_once_under_one_key_is_answered_once(owner) -> None:
    def post() -> tuple[int, str]:
        client = APIClient()
        client.force_authenticate(owner)
        messages = [{"role": "user", "content": text} for text in ("Hello.", "Are you there?")]
        body = {"model": "echo", "messages": messages}
        response = client.post("/api/v1/chat/completions", body, format="json", headers={"Idempotency-Key": "k"})
        return response.status_code, response.json()["choices"][0]["message"]["content"]

    assert at_once(4, post) == [(200, "Are you there? ")] * 4
    assert (Conversation.objects.count(), Message.objects.count()) == (1, 3)


@pytest.mark.parametrize("is_streamed", [True, False])
def test_where_every_request_is_a_transaction_answers_come_all_the_same(owner, monkeypatch, is_streamed) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client = APIClient()
    client.force_authenticate(owner)
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello."}]}
    body = {"model": "echo", "messages": [{"role": "user", "content": "Hello."}], "stream": is_streamed}

    chat = client.post("/api/chat", {"id": "c1", "messages": [message]}, format="json")
    completion = client.post("/api/v1/chat/completions", body, format="json")

    assert read("ai-sdk", b"".join(chat)).text == "Hello. "
    told = b"".join(completion) if is_streamed else b""
    text = read("openai", told).text if is_streamed else completion.json()["choices"][0]["message"]["content"]
    assert text == "Hello. "
