"""One answer, several attempts: asked again and asked elsewhere, as long as nothing has been said."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, connections
from django.test import override_settings

from converse_stream.events import Data, Finish, Served, State, Text, ToolCall, Usage
from converse_stream.exceptions import (
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProviderTimeout,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Truncated,
    UnknownModel,
)
from converse_stream.generation import call
from converse_stream.models import Attempt, Conversation, Message, Status
from converse_stream.runners import loop
from converse_stream.testing import Follower, ScriptedProvider
from tests.turns import InTurn
from tests.waiting import finished_attempts, until

pytestmark = pytest.mark.django_db(transaction=True)

NOW = {"retry_after": 0.0}


@pytest.fixture(params=["thread", "inline"])
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param}


def nothing_is_written() -> bool:
    return not asyncio.all_tasks(loop._running_loop())


def outcomes(message: Message) -> list[tuple[str, str, str]]:
    return [(attempt.provider, attempt.outcome, attempt.error_code) for attempt in finished_attempts(message)]


def test_a_passing_error_is_tried_again_and_nobody_notices(conversation: Conversation, runner) -> None:
    provider = InTurn([RateLimited(**NOW)], [ServerError(**NOW)], ["It ", "works."])

    message = conversation.ask("go", model=provider)
    seen = Follower().read(message.stream_response())

    message.wait(60)
    assert (message.status, message.content, seen.text) == (Status.COMPLETE, "It works.", "It works.")
    assert [event["event"] for event in seen.events if event["event"] != "text"] == ["start", "complete"]
    assert outcomes(message) == [
        ("scripted", "failed", "rate_limit"),
        ("scripted", "failed", "server"),
        ("scripted", "complete", ""),
    ]


@pytest.mark.parametrize(
    "error", [RateLimited, Overloaded, ProviderTimeout, ConnectionFailed, Truncated, ServerError], ids=lambda e: e.code
)
def test_every_error_that_may_pass_is_tried_again(conversation: Conversation, error, runner) -> None:
    message = conversation.ask("go", model=InTurn([error(**NOW)], ["yes"])).wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, "yes")


@pytest.mark.parametrize(
    "error",
    [AuthenticationFailed, PermissionDenied, QuotaExceeded, BadRequest, ContextTooLong, ContentFiltered, ModelNotFound],
    ids=lambda error: error.code,
)
def test_an_error_that_stays_is_not_tried_again(conversation: Conversation, error, runner) -> None:
    provider = InTurn([error(**NOW)], ["never said"])

    message = conversation.ask("go", model=provider).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, error.code, "")
    assert outcomes(message) == [("scripted", "failed", error.code)]
    assert len(provider.prompts) == 1


def test_what_a_provider_amends_is_a_call_of_its_own(conversation: Conversation, settings, runner) -> None:
    class Amending(InTurn):
        def amended(self, prompt, error):
            return replace(prompt, messages=prompt.messages[-1:]) if len(prompt.messages) > 1 else None

    settings.CONVERSE_STREAM = {**settings.CONVERSE_STREAM, "RETRIES": 0}
    conversation.add_user_message("before")
    provider = Amending([BadRequest()], ["yes"])

    message = conversation.ask("go", model=provider).wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, "yes")
    assert outcomes(message) == [("scripted", "failed", "bad_request"), ("scripted", "complete", "")]
    assert [len(prompt.messages) for prompt in provider.prompts] == [2, 1]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_says_how_often(conversation: Conversation, settings, retries: int) -> None:
    settings.CONVERSE_STREAM = {"RETRIES": retries}
    provider = InTurn([Overloaded("busy", **NOW)])

    message = conversation.ask("go", model=provider).wait(60)

    assert (message.status, message.error_code) == (Status.FAILED, "overloaded")
    assert outcomes(message) == [("scripted", "failed", "overloaded")] * (retries + 1)
    assert len(provider.prompts) == retries + 1


@pytest.mark.parametrize(
    "said", [Text("a"), {"type": "reasoning", "text": "h"}, ToolCall("1", "f", {}), Data("step", 1)]
)
def test_nothing_is_tried_again_once_something_has_been_said(conversation: Conversation, said, runner) -> None:
    first, second = InTurn([said, Overloaded(**NOW)], ["again"], name="a"), ScriptedProvider(["instead"], name="b")

    message = conversation.ask("go", model=[first, second]).wait(60)

    assert (message.status, message.error_code, message.length) == (Status.FAILED, "overloaded", 1)
    assert outcomes(message) == [("a", "failed", "overloaded")]
    assert second.prompts == []


def test_an_empty_text_is_nothing_said(conversation: Conversation, runner) -> None:
    message = conversation.ask("go", model=InTurn(["", Text(""), Overloaded(**NOW)], ["yes"])).wait(60)

    assert (message.status, message.content, message.delta_count) == (Status.COMPLETE, "yes", 1)


@pytest.mark.parametrize("ending", [[], [Finish("stop")]])
def test_what_a_failed_attempt_told_is_not_told_of_the_answer(conversation: Conversation, ending, runner) -> None:
    told = [Served("bad-model", "req-bad"), Usage(99, 98, 97, 96), State("reasoning", "blob-bad")]
    provider = InTurn([*told, ServerError(**NOW)], ["good", *ending], name="acme", model="m")

    message = conversation.ask("go", model=provider).wait(60)
    failed, answered = finished_attempts(message)

    assert (message.provider, message.model, message.content) == ("acme", "m", "good")
    assert (message.input_tokens, message.output_tokens, message.cached_tokens, message.reasoning_tokens) == (None,) * 4
    assert message.metadata["provider_request_id"] is None
    assert message.parts == [{"type": "text", "text": "good"}]
    assert (failed.served_model, failed.request_id, failed.input_tokens) == ("bad-model", "req-bad", 99)
    assert (answered.served_model, answered.request_id, answered.input_tokens) == ("", "", None)


def test_a_blob_that_comes_before_any_word_stays_with_the_answer(conversation: Conversation, runner) -> None:
    provider = ScriptedProvider([State("reasoning", "blob"), "word"])

    message = conversation.ask("go", model=provider).wait(60)

    blob, text = message.parts
    assert blob["state"] == [{"by": "scripted:script", "data": "blob"}]
    assert text == {"type": "text", "text": "word"}


def test_an_attempt_is_there_before_the_provider_is_asked(conversation: Conversation) -> None:
    gate = threading.Event()
    provider = ScriptedProvider([gate, "yes"])

    message = conversation.ask("go", model=provider)
    until(lambda: provider.prompts)
    attempt = message.attempts.get()
    gate.set()
    message.wait(60)

    assert (attempt.outcome, attempt.duration, attempt.model) == (Attempt.Outcome.RUNNING, None, "script")


def test_what_goes_on_after_its_ending_is_not_part_of_the_answer(conversation: Conversation, runner, caplog) -> None:
    script = ["all", Finish("stop", "end"), " and more", Finish("length", "again"), Usage(1, 2)]

    message = conversation.ask("go", model=ScriptedProvider(script)).wait(60)

    assert (message.content, message.finish_reason, message.finish_reason_raw) == ("all", "stop", "end")
    assert message.output_tokens == 2
    assert "went on for 2 deltas" in caplog.text


def test_an_ending_with_an_error_and_no_word_is_tried_again(conversation: Conversation, runner) -> None:
    message = conversation.ask("go", model=InTurn([RateLimited(**NOW)], [Finish("error")], ["yes"])).wait(15)

    assert (message.status, message.content) == (Status.COMPLETE, "yes")


# Fallbacks


def test_the_next_provider_answers_when_the_first_cannot(conversation: Conversation, runner, caplog) -> None:
    first = InTurn([QuotaExceeded("empty")], name="a", model="one")
    second = ScriptedProvider([Served("two-2026", "req-2"), "second", Usage(3, 4)], name="b", model="two")

    message = conversation.ask("go", model=[first, second]).wait(60)

    assert (message.status, message.content, message.provider, message.model) == (
        Status.COMPLETE,
        "second",
        "b",
        "two-2026",
    )
    assert (message.metadata["provider"], message.metadata["model"], message.input_tokens) == ("b", "two-2026", 3)
    assert outcomes(message) == [("a", "failed", "quota"), ("b", "complete", "")]
    assert "a:one failed: quota; asking b:two" in caplog.text


def test_each_provider_of_a_chain_has_its_retries(conversation: Conversation, runner) -> None:
    first, second = InTurn([Overloaded(**NOW)], name="a"), InTurn([Overloaded(**NOW)], ["yes"], name="b")

    message = conversation.ask("go", model=[first, second]).wait(60)

    assert [name for name, *_ in outcomes(message)] == ["a", "a", "a", "b", "b"]
    assert message.status == Status.COMPLETE


def test_when_all_fail_the_last_cause_is_the_messages_and_each_has_its_own(conversation: Conversation, runner) -> None:
    first, second = InTurn([AuthenticationFailed("no")], name="a"), InTurn([ModelNotFound("what?")], name="b")

    message = conversation.ask("go", model=[first, second])
    kinds = [event.kind for event in message.follow(timeout=60)]

    message.wait(60)
    assert (message.status, message.error_code, message.provider) == (Status.FAILED, "not_found", "b")
    assert kinds == ["start", "failed"]
    assert outcomes(message) == [("a", "failed", "auth"), ("b", "failed", "not_found")]


def test_what_a_filter_refused_is_not_carried_to_another(conversation: Conversation, runner) -> None:
    second = ScriptedProvider(["no questions asked"], name="b")

    message = conversation.ask("go", model=[InTurn([ContentFiltered("no")], name="a"), second]).wait(60)

    assert (message.status, message.error_code, second.prompts) == (Status.FAILED, "content_filter", [])


def test_a_viewer_of_a_live_answer_knows_who_is_asked_now(conversation: Conversation) -> None:
    gate = threading.Event()
    second = ScriptedProvider([gate, "yes"], name="b", model="two")

    message = conversation.ask("go", model=[InTurn([QuotaExceeded()], name="a"), second])
    until(lambda: second.prompts)
    live = Message.objects.get(pk=message.pk).to_dict()
    gate.set()

    assert (live["status"], live["provider"], live["model"]) == ("streaming", "b", "two")


def chain_settings(runner: str) -> dict[str, Any]:
    return {
        "RUNNER": runner,
        "DEFAULT_MODEL": ["a:one", "b:two"],
        "PROVIDERS": {"a": InTurn([QuotaExceeded()], name="a"), "b": ScriptedProvider(["yes"], name="b")},
    }


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_a_chain_can_be_named_wherever_a_model_can(conversation: Conversation, settings, runner: str) -> None:
    settings.CONVERSE_STREAM = chain_settings(runner)

    by_default = conversation.ask("go").wait(60)
    settings.CONVERSE_STREAM["DEFAULT_MODEL"] = "demo"
    named = conversation.ask("go", model=("a:one", "b:two")).wait(60)
    retried = named.retry().wait(60)
    differently = named.retry(model=["a:three", "b:four"]).wait(60)
    response = conversation.stream_response("go", model=["a:one", "b:two"])
    Follower().read(response)

    messages = [by_default, named, retried, differently, response.message.wait(60)]
    assert [message.content for message in messages] == ["yes"] * 5
    assert [message.model for message in messages] == ["two", "two", "two", "four", "two"]
    assert [message.attempts.count() for message in messages] == [2] * 5


async def test_a_chain_works_from_async_code(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = chain_settings("thread")

    message = await (await conversation.aask("go")).await_ending(10)
    response = await conversation.astream_response("go", model=["a:one", "b:two"])
    seen = await Follower().aread(response)

    assert (message.content, message.provider) == ("yes", "b")
    assert seen.text == "yes"


def test_a_chain_with_a_name_nobody_has_is_refused_before_anything_is_written(conversation: Conversation) -> None:
    with pytest.raises(UnknownModel):
        conversation.ask("go", model=["demo", "nobody:knows"])

    assert conversation.messages.count() == 0


def test_a_client_that_asks_the_same_chain_twice_gets_one_answer(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = chain_settings("inline")

    first = conversation.ask("go", model=["a:one", "b:two"], client_key="k")
    again = conversation.ask("go", model=["a:one", "b:two"], client_key="k")

    assert (again.pk, again.is_replay) == (first.pk, True)


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_a_source_is_never_read_again(conversation: Conversation, settings, runner: str) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner}
    reads = []

    def source():
        reads.append(1)
        raise RateLimited(**NOW)
        yield ""

    message = conversation.ask("go", source=source(), model="mine").wait(60)

    assert (message.status, message.error_code, reads) == (Status.FAILED, "rate_limit", [1])
    assert not message.attempts.exists()


@pytest.mark.django_db
def test_a_chain_works_inside_a_transaction_as_in_a_test_case(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = chain_settings("inline")
    settings.CONVERSE_STREAM["PROVIDERS"]["a"] = InTurn([Overloaded(**NOW)], [QuotaExceeded()], name="a")

    message = conversation.ask("go")

    assert connection.in_atomic_block
    assert (message.status, message.content, message.provider) == (Status.COMPLETE, "yes", "b")
    assert outcomes(message) == [("a", "failed", "overloaded"), ("a", "failed", "quota"), ("b", "complete", "")]


# Waiting


def test_a_stop_ends_a_pause_at_once(conversation: Conversation) -> None:
    provider = InTurn([Usage(5, 5), Served("m", "r"), RateLimited(retry_after=25)], ["too late"])

    message = conversation.ask("go", model=provider)
    until(lambda: message.attempts.filter(outcome="failed").exists())
    started = time.monotonic()
    message.cancel()
    until(nothing_is_written)

    assert time.monotonic() - started < 5
    assert (message.status, len(provider.prompts)) == (Status.CANCELLED, 1)
    assert outcomes(message) == [("scripted", "failed", "rate_limit")]
    message.refresh_from_db()
    assert (message.input_tokens, message.model) == (None, "script")


def test_a_stop_ends_a_pause_of_the_inline_runner_too(conversation: Conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline"}
    provider = InTurn([RateLimited(retry_after=25)], ["too late"])

    def stop() -> None:
        until(lambda: Attempt.objects.filter(outcome="failed").exists())
        Message.objects.live().get().cancel()
        connections.close_all()

    stopping = threading.Thread(target=stop)
    stopping.start()
    started = time.monotonic()
    message = conversation.ask("go", model=provider)
    stopping.join()

    assert time.monotonic() - started < 15
    assert (message.status, len(provider.prompts)) == (Status.CANCELLED, 1)


@pytest.mark.parametrize("calls", range(5))
def test_a_stop_between_any_two_calls_leaves_none_of_them_open(user, settings, calls: int) -> None:
    settings.CONVERSE_STREAM = {"RETRIES": 3}
    for _ in range(8):
        provider = InTurn(*[[Overloaded(**NOW)]] * 3, ["all ", "done"])
        message = Conversation.objects.create(owner=user).ask("go", model=provider)
        until(lambda message=message: message.attempts.count() >= calls or not Message.objects.live().exists())
        Message.objects.get(pk=message.pk).cancel()

        message.wait(60)
        until(nothing_is_written)  # a call may have been about to begin
        *before, last = [outcome for _, outcome, _ in outcomes(message)] or ["cancelled"]
        # A call that came to its ending just before the stop has done so.
        assert set(before) <= {"failed"} and last in ("failed", "complete", message.status)
        assert (message.status, message.content) == ("complete", "all done") or message.status == "cancelled"


def test_a_wait_nobody_has_patience_for_is_not_begun(conversation: Conversation, runner) -> None:
    started = time.monotonic()

    message = conversation.ask("go", model=InTurn([RateLimited("slow down", retry_after=3600)], ["late"])).wait(60)

    assert time.monotonic() - started < 10
    assert (message.status, message.error_code) == (Status.FAILED, "rate_limit")
    assert "3600 s" in message.error_message


def test_instead_of_a_long_wait_the_next_provider_is_asked(conversation: Conversation, runner) -> None:
    models = [InTurn([RateLimited(retry_after=3600)], name="a"), ScriptedProvider(["yes"], name="b")]

    message = conversation.ask("go", model=models).wait(60)

    assert (message.status, message.provider) == (Status.COMPLETE, "b")


# Errors


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_a_failed_answer_says_whose_error_it_was(conversation: Conversation, settings, runner: str) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": runner, "RETRIES": 0}

    theirs = conversation.ask("go", model=ScriptedProvider(["half", Overloaded()])).wait(60)
    ours = conversation.ask("go", source=["half", 3]).wait(60)
    with override_settings(CONVERSE_STREAM={**settings.CONVERSE_STREAM, "MAX_OUTPUT_CHARS": 3}):
        too_long = conversation.ask("go", model=ScriptedProvider(["half"])).wait(60)
    good = conversation.ask("go", model=ScriptedProvider(["all"])).wait(60)

    assert theirs.metadata["error_type"] == "api_error"
    assert (ours.metadata["error_type"], too_long.metadata["error_type"]) == ("general_error", "general_error")
    assert "error_type" not in good.metadata


def test_the_id_of_a_refused_request_is_kept_for_support(conversation: Conversation, runner) -> None:
    message = conversation.ask("go", model=InTurn([AuthenticationFailed("no", request_id="req-7")])).wait(60)

    assert finished_attempts(message)[0].request_id == "req-7"
    assert message.metadata["provider_request_id"] == "req-7"


def test_who_has_seen_the_ending_sees_how_the_call_went(conversation: Conversation) -> None:
    for script in ["done"], ["half", ServerError()]:
        message = conversation.ask("go", model=ScriptedProvider(script)).wait(60)

        [attempt] = message.attempts.all()
        assert attempt.outcome == message.status
        assert attempt.duration is not None


def test_an_answer_that_failed_is_not_kept_in_memory(conversation: Conversation, monkeypatch) -> None:
    # A record of the log holds the traceback, and that all there was.
    monkeypatch.setattr(logging.getLogger("converse_stream"), "disabled", True)
    provider = ScriptedProvider([BadRequest("no")])
    gone = weakref.ref(provider)
    conversation.ask("go", model=provider).wait(60)
    del provider
    until(nothing_is_written)

    gc.collect()

    assert gone() is None


def test_state_without_end_before_the_first_word_is_broken_off(conversation: Conversation, monkeypatch) -> None:
    monkeypatch.setattr(call, "MAX_HELD", 100)
    provider = ScriptedProvider([*[State("reasoning", "x" * 30)] * 5, "too late"])

    message = conversation.ask("go", model=provider).wait(60)

    assert (message.status, message.error_code, message.content) == (Status.FAILED, "protocol", "")
