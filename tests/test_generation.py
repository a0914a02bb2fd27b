"""From a question to an ending: whatever the provider or source does, the record tells it."""

import asyncio
import threading
from typing import Any

import pytest

from converse_stream.events import Data, Finish, Reasoning, Served, Text, Usage
from converse_stream.exceptions import Overloaded
from converse_stream.models import Attempt, Conversation, Message, Status
from converse_stream.testing import ScriptedProvider
from tests.waiting import finished_attempt

pytestmark = pytest.mark.django_db(transaction=True)


async def asynchronous(*items: Any):
    for item in items:
        await asyncio.sleep(0)
        yield item


ITEMS = [
    "text ",
    Text("more "),
    {"type": "reasoning", "text": "hm"},
    Data("progress", 1),
    Usage(output_tokens=7),
    Served("served-model", "req-1"),
    Finish("length", "max"),
]


@pytest.mark.parametrize("source", [lambda: ITEMS, lambda: iter(ITEMS), lambda: asynchronous(*ITEMS)])
@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_a_source_of_any_kind_writes_the_answer(conversation: Conversation, settings, source, runner: str) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}

    message = conversation.ask("go", source=source(), model="mine").wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, "text more ")
    assert (message.finish_reason, message.finish_reason_raw) == ("length", "max")
    assert (message.model, message.output_tokens) == ("served-model", 7)
    assert message.metadata["provider_request_id"] == "req-1"
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("runner", ["thread", "inline"])
@pytest.mark.parametrize("bad", [3, b"bytes", {"type": "nonsense"}, None])
def test_a_source_that_yields_nonsense_fails_and_keeps_the_text(
    conversation: Conversation, settings, runner: str, bad: object
) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}

    message = conversation.ask("go", source=iter(["good ", bad])).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "internal", "good ")


def test_a_source_that_says_nothing_completes_an_empty_answer(conversation: Conversation) -> None:
    """Seeds: V-07."""
    message = conversation.ask("go", source=[]).wait(60)

    assert (message.status, message.content, message.length) == (Status.COMPLETE, "", 0)
    assert [event.kind for event in message.follow()] == ["start", "complete"]


def test_a_source_is_closed_when_its_answer_is_stopped(conversation: Conversation) -> None:
    closed, begun = threading.Event(), threading.Event()

    async def source():
        try:
            yield "begun"
            begun.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    message = conversation.ask("go", source=source())
    assert begun.wait(60)
    message.cancel()

    assert closed.wait(60)
    assert Message.objects.get(pk=message.pk).status == Status.CANCELLED


def test_every_call_to_a_provider_is_an_attempt(conversation: Conversation) -> None:
    """Seeds: A-05."""
    script = [Served("m-2026", "req-9"), Reasoning("hm"), "answer", Usage(11, 22, 3, 4), Finish("stop", "end")]

    message = conversation.ask("go", model=ScriptedProvider(script, name="acme", model="m")).wait(60)

    attempt = finished_attempt(message)
    assert (attempt.provider, attempt.model, attempt.served_model) == ("acme", "m", "m-2026")
    assert (attempt.outcome, attempt.request_id) == ("complete", "req-9")
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cached_tokens, attempt.reasoning_tokens) == (
        11,
        22,
        3,
        4,
    )
    assert attempt.time_to_first_delta is not None and attempt.duration is not None
    assert (message.provider, message.model, message.input_tokens) == ("acme", "m-2026", 11)


def test_a_provider_that_fails_leaves_its_code_on_message_and_attempt(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}

    message = conversation.ask("go", model=ScriptedProvider(["half", Overloaded("try later")]))

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "overloaded", "half")
    assert (message.attempts.get().outcome, message.attempts.get().error_code) == ("failed", "overloaded")


@pytest.mark.parametrize("script", [["half", Finish("error", "error")]])
def test_an_ending_that_is_an_error_is_a_failure(conversation: Conversation, script: list[Any]) -> None:
    message = conversation.ask("go", model=ScriptedProvider(script)).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "server", "half")


def test_options_of_the_site_the_conversation_and_the_call_are_merged(settings) -> None:
    provider = ScriptedProvider(["ok"])
    settings.CONVERSE_STREAM = {
        "RUNNER": "inline",
        "DEFAULT_OPTIONS": {"temperature": 0, "seed": 1},
        "PROVIDERS": {"mine": provider},
        "DEFAULT_MODEL": "mine:small",
    }
    conversation = Conversation.objects.create(options={"seed": 2, "max_tokens": 5})

    message = conversation.ask("go", options={"max_tokens": 9})

    [prompt] = provider.prompts
    assert prompt.options == {"temperature": 0, "seed": 2, "max_tokens": 9}
    assert (prompt.model, message.provider) == ("small", "mine")


def test_retry_is_a_sibling_by_the_same_model(conversation: Conversation, settings) -> None:
    """Seeds: V-30."""
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"mine": ScriptedProvider(["again"])}}
    first = conversation.ask("go", model="mine:small")

    second = first.retry()

    assert (second.content, second.parent_id, second.provider) == ("again", first.parent_id, "mine")
    assert [message.role for message in conversation.history()] == ["user", "assistant"]


def test_metadata_of_the_caller_is_kept_and_shown_only_if_public(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "PUBLIC_METADATA": ["shown"]}

    message = conversation.ask("go", source=["x"], metadata={"shown": 1, "hidden": 2})

    assert {"shown": 1, "hidden": 2}.items() <= message.metadata.items()
    assert message.to_dict()["metadata"] == {"shown": 1}
    *_, ending = message.follow()
    assert ending.data["message"]["metadata"] == {"shown": 1}


def test_the_newest_question_is_answered_when_no_prompt_is_given(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    question = conversation.add_user_message("waiting")

    response = conversation.stream_response(model=ScriptedProvider(["at last"]))

    assert response.message.parent == question
    assert conversation.messages.count() == 2
