"""The pull interface: an answer's text chunk by chunk, at the pace of whoever pulls."""

import threading

import pytest

from converse_stream.events import ToolCall, ToolResult
from converse_stream.exceptions import AnswerStopped, Overloaded
from converse_stream.testing import Follower, ScriptedProvider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["inline", "thread"], autouse=True)
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param}


def pull(conversation, *script, **options):
    return conversation.prompt("Count.").using(ScriptedProvider(script)).pull(**options)


def test_chunks_are_pulled_until_there_are_no_more(conversation):
    """Seeds: F-01, F-02"""
    pulled, chunks = pull(conversation, "one ", "two ", "three"), []

    while pulled.has_more:
        chunks.append(next(pulled))

    assert "".join(chunks) == pulled.content == "one two three"
    assert all(chunks)
    assert pulled.is_complete
    with pytest.raises(StopIteration):
        next(pulled)


def test_a_pull_is_a_plain_iterator(conversation):
    """Seeds: F-01"""
    assert "".join(pull(conversation, "one ", "two ", "three")) == "one two three"


def test_a_chunk_has_at_least_the_size_of_the_buffer(conversation):
    """Seeds: F-02, F-09"""
    chunks = list(pull(conversation, *"abcdefghij", buffer_size=4))

    assert "".join(chunks) == "abcdefghij"
    assert all(len(chunk) >= 4 for chunk in chunks[:-1])


def test_the_buffer_holds_what_was_not_handed_out_and_can_be_emptied(conversation):
    """Seeds: F-02"""
    pulled = pull(conversation, "one ", "two")
    assert pulled.buffer == ""
    while pulled.has_more and not pulled.is_complete:
        pulled.buffer_size += 1

    assert (pulled.buffer, pulled.clear(), pulled.buffer) == ("one two", "one two", "")
    assert not pulled.has_more
    assert pulled.content == "one two"


def test_stats_say_how_far_it_is(conversation):
    """Seeds: F-02"""
    call, result = ToolCall("1", "f", {}), ToolResult("1", "f", "done")
    pulled = pull(conversation, call, result, "one ", "two", buffer_size=3)
    before = pulled.stats()
    list(pulled)

    after = pulled.stats()

    assert (before["content_length"], before["is_complete"], before["tool_results_count"]) == (0, False, 0)
    assert (after["content_length"], after["is_complete"], after["tool_results_count"]) == (7, True, 1)
    assert (after["buffer_size"], after["model"], after["message_id"]) == (3, "script", str(pulled.message.pk))
    assert after["execution_time"] == pulled.stats()["execution_time"] > 0


def test_a_callback_is_told_once_for_each_chunk(conversation):
    """Seeds: F-02"""
    told = []
    pulled = pull(conversation, "one ", "two", on_chunk=lambda text, full: told.append((text, full)))

    chunks = list(pulled)

    assert [text for text, _full in told] == chunks
    assert told[-1][1] == "one two"


def test_a_failure_is_raised_and_never_looks_like_success(conversation):
    """Seeds: F-02"""
    pulled, chunks = pull(conversation, "half", Overloaded("busy")), []

    with pytest.raises(Overloaded):
        for chunk in pulled:
            chunks.append(chunk)

    assert ("".join(chunks), pulled.is_complete, pulled.message.status) == ("half", False, "failed")


def test_a_stop_is_raised_after_the_text_there_is(conversation, settings):
    settings.CONVERSE_STREAM = {"RUNNER": "thread"}
    pause = threading.Event()
    pulled = pull(conversation, "half", pause)

    assert next(pulled) == "half"
    pulled.message.cancel()

    with pytest.raises(AnswerStopped):
        next(pulled)


def test_it_becomes_a_response_with_the_whole_answer(conversation):
    """Seeds: F-02"""
    pulled = pull(conversation, "one ", "two")
    next(pulled)

    assert Follower().read(pulled.to_response()).text == "one two"


def test_nobody_has_to_pull(conversation):
    """Seeds: F-01"""
    pulled = pull(conversation, "one ", "two")

    assert pulled.message.wait(60).content == "one two"


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "10", None])
def test_a_buffer_has_room_for_something(conversation, size):
    with pytest.raises(ValueError, match="buffer_size"):
        pull(conversation, "one", buffer_size=size)

    assert not conversation.messages.exists()
